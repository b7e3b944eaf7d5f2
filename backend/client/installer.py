# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own environment: made, checked, repaired and removed in one data folder.

    FOLDER/environment           the one in use; worldfm.json in it says what it was made from
    FOLDER/environment.partial   one that is being made, or whose making was interrupted
    FOLDER/environment.old       the one before, while it is replaced
    FOLDER/cache, python, bin    what uv fetched, and uv where its wheel could not be run
    FOLDER/kernels               what Numba compiled for this version
    FOLDER/logs, models          kept when it is removed

No bpy, no torch. Everything here may take minutes: call it through `InstallTask`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ..shared.child_process import run_child
from ..shared.errors import BackendError, InputError
from ..shared.kernel_folder import KERNELS
from ..shared.leftovers import remove
from ..shared.messages import Progress
from . import uv as uv_words
from .check_environment import TORCH_BUILD_LOCK, TORCH_LOCK
from .estimate import Estimate, read_estimate
from .file_lock import only_one
from .make_environment import EnvironmentMaker, InstallChoice, interpreter
from .programs import Programs
from .trees import delete_tree, move_tree, relocate, unlimited

MARKER = "worldfm.json"
_BUSY = (
    "Another Blender is changing the backend's installation; wait until it is done, then try again."
)


class InstallState(Enum):
    """What is in the folder."""

    ABSENT = "absent"
    INTERRUPTED = "interrupted"  # install() finishes it
    OUTDATED = "outdated"  # made for another version of the add-on, or its interpreter is gone
    READY = "ready"


@dataclass
class Installation:
    """The environment in `folder`. One at a time changes it, in whichever process."""

    folder: Path
    cancel: threading.Event = field(default_factory=threading.Event)
    report: Callable[[Progress], None] = lambda progress: None

    @property
    def environment(self) -> Path:
        return self.folder / "environment"

    @property
    def python(self) -> Path:
        """The backend's interpreter, whether or not it exists."""
        return interpreter(self.environment)

    def state(self, requirements: Path) -> InstallState:
        """Cheap enough for a panel's draw()."""
        made_from = self._marker()
        if made_from is None:
            partial = (self.folder / "environment.partial").exists()
            return InstallState.INTERRUPTED if partial else InstallState.ABSENT
        current = made_from.get("requirements") == _fingerprint(requirements)
        return InstallState.READY if current and self.python.exists() else InstallState.OUTDATED

    def estimate(self, choice: InstallChoice) -> Estimate:
        """What install() would fetch, asked of the package index; fetches only metadata.

        Raises BackendError when the index cannot be reached.
        """
        if choice.uv is None:
            raise InputError("Only uv can estimate a download; install without an estimate.")
        with self._alone():
            lock = self.folder / "pylock.estimate.toml"
            lock.unlink(missing_ok=True)
            self.report(Progress("Asking what has to be downloaded."))
            maker = self._maker(choice)
            python = ["--python", maker.python_at_hand()]
            what = ["pip", "compile", *python, "--format", "pylock.toml", "-o", lock]
            torch = uv_words.torch_arguments(choice.torch, maker.torch_build())
            if (torch_lock := choice.requirements.with_name(TORCH_LOCK)).is_file():
                torch += ["-c", str(torch_lock)]
            command = [choice.uv, *what, *torch, choice.requirements]
            maker.programs.run(command, "The estimate")
            try:
                return read_estimate(lock)
            finally:
                lock.unlink(missing_ok=True)

    def install(self, choice: InstallChoice, download_bytes: int = 0) -> None:
        """Make the environment, or finish one that was interrupted; the old one serves meanwhile.

        download_bytes: of the estimate, for the progress. Raises BackendError or Cancelled; what
        was fetched is kept for the next attempt, and an environment in use is never left broken.
        """
        with self._alone():
            self._clear_halves()
            self._check_space(download_bytes)
            maker = self._maker(choice)
            partial = maker.bare_environment()
            maker.fetch(partial, download_bytes)
            problems = self._problems(partial, choice.requirements)
            if problems:  # from a damaged cache the same files would come again
                shutil.rmtree(unlimited(partial), ignore_errors=True)
                if choice.online:
                    shutil.rmtree(unlimited(self.folder / "cache"), ignore_errors=True)
                raise BackendError(
                    f"The installation is damaged ({problems[0]} {len(problems)} in all); press "
                    "Install again to fetch it anew."
                )
            _write_marker(partial, choice)
            self._put_in_place(partial)
            self._prepare_kernels(choice)

    def _prepare_kernels(self, choice: InstallChoice) -> None:
        """Compile what the first picture needs. Where that fails the backend does it later."""
        root = choice.requirements.resolve().parent.parent
        if not (root / "backend" / "__main__.py").is_file():
            return
        self.report(Progress("Preparing kernels."))
        run_child(
            [self.python, "-s", "-m", "backend", "warm"],
            env=uv_words.environment(self.folder) | {KERNELS: str(self.folder / "kernels")},
            cwd=root,
            on_line=lambda line: None,
            cancel=self.cancel,
        )

    def verify(self, requirements: Path) -> list[str]:
        """What is wrong with the environment, a sentence each; [] = nothing."""
        if self._marker() is None or not self.python.exists():
            return ["The backend is not installed, or its interpreter is gone."]
        self.report(Progress("Checking every installed file."))
        return self._problems(self.environment, requirements)

    def repair(self, choice: InstallChoice) -> None:
        """Make the environment anew; the one in use is replaced when the new one is whole."""
        with self._alone():
            shutil.rmtree(unlimited(self.folder / "environment.partial"), ignore_errors=True)
            # files of the environment and of the cache may be the same on disk (hard links)
            problems = self.verify(choice.requirements) if choice.online else []
            if any("was changed" in problem for problem in problems):
                shutil.rmtree(unlimited(self.folder / "cache"), ignore_errors=True)
        self.install(choice)

    def remove(self) -> None:
        """Delete the environment and all that was fetched for it. Models and logs stay."""
        with self._alone():
            self.report(Progress("Removing the backend."))
            for name in (
                "environment",
                "environment.partial",
                "environment.old",
                "kernels",
                "cache",
                "python",
                "bin",
            ):
                delete_tree(self.folder / name)

    def move_to(self, target: Path) -> None:
        """Move the data folder, models and all. Nothing is deleted before all of it is there.

        Raises InputError when the target is inside the folder, not empty or too small.
        """
        source, target = self.folder.resolve(), target.resolve()
        if source in target.parents or source == target:
            raise InputError("The data folder cannot be moved into itself; choose another place.")
        if target.exists() and any(target.iterdir()):
            raise InputError(f"The folder {target} is not empty; choose an empty or new one.")
        with self._alone():
            self.report(Progress(f"Moving everything to {target}."))
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rmdir()
            move_tree(source, target)
            relocate(target / "environment", source, target)
        self.folder = target

    def _maker(self, choice: InstallChoice) -> EnvironmentMaker:
        programs = Programs(self.folder, self.cancel, choice.online)
        return EnvironmentMaker(self.folder, choice, programs, self.report)

    def _alone(self) -> Any:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BackendError(
                f"The data folder {self.folder} cannot be made ({error.strerror}); choose another "
                "one in the preferences."
            ) from error
        return only_one(self.folder / "install.lock", _BUSY)

    def _marker(self) -> dict[str, Any] | None:
        try:
            marker = json.loads((self.environment / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return marker if isinstance(marker, dict) else None

    def _clear_halves(self) -> None:
        """What a uv that was killed had half unpacked; nobody else uses this cache."""
        for half in (self.folder / "cache").glob(".tmp*"):
            remove(unlimited(half))

    def _check_space(self, download_bytes: int) -> None:
        needed = int(download_bytes * uv_words.UNPACKED)
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise BackendError(
                f"The installation needs {needed / 1e9:.1f} GB and {self.folder} has "
                f"{free / 1e9:.1f} GB free; free some space or choose another data folder."
            )

    def _problems(self, environment: Path, requirements: Path) -> list[str]:
        script = Path(__file__).with_name("check_environment.py")
        lines: list[str] = []
        command = [interpreter(environment), "-I", script, requirements]
        status = Programs(self.folder, self.cancel).status(command, lines.append)
        try:
            problems = json.loads(lines[-1]) if status == 0 and lines else None
        except ValueError:
            problems = None
        if problems is None:
            return [f"The backend's interpreter does not run ({' '.join(lines[-1:])})."]
        return [str(problem) for problem in problems]

    def _put_in_place(self, partial: Path) -> None:
        old = self.folder / "environment.old"
        delete_tree(old)
        try:
            if self.environment.exists():
                os.replace(unlimited(self.environment), unlimited(old))
            os.replace(unlimited(partial), unlimited(self.environment))
        except OSError as error:
            if not self.environment.exists() and old.exists():
                os.replace(unlimited(old), unlimited(self.environment))
            raise BackendError(
                f"The new environment could not be put in its place ({error.strerror}); stop the "
                "backend in every Blender, then press Install again."
            ) from error
        shutil.rmtree(unlimited(old), ignore_errors=True)


def _fingerprint(requirements: Path) -> str:
    digest = hashlib.sha256(requirements.read_bytes())
    torch_locks = requirements.parent.glob(TORCH_BUILD_LOCK.format("*"))
    for lock in (requirements.with_name(TORCH_LOCK), *sorted(torch_locks)):
        if lock.is_file():
            digest.update(lock.read_bytes())
    return digest.hexdigest()


def _write_marker(environment: Path, choice: InstallChoice) -> None:
    marker = {
        "requirements": _fingerprint(choice.requirements),
        "torch": choice.torch,
        "python": None if choice.python is None else str(choice.python),
    }
    beside = environment / (MARKER + ".tmp")
    beside.write_text(json.dumps(marker), encoding="utf-8")
    os.replace(beside, environment / MARKER)
