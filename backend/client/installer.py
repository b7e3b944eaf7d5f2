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
import sys
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
from . import graphics
from . import uv as uv_words
from .check_environment import TORCH_BUILD_LOCK, TORCH_LOCK
from .estimate import Estimate, read_estimate
from .file_lock import only_one
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


@dataclass(frozen=True)
class InstallChoice:
    """What to install.

    requirements: the locked list (backend/requirements.txt); PyTorch's stands beside it. uv: its
    program; None = use venv and pip of `python`. python: interpreter that the user named, None =
    uv finds or fetches one.
    torch: auto, cpu, cu130, rocm7.2, ... (pip takes what its index has).
    online: False = from uv's cache and local packages only.
    """

    requirements: Path
    uv: Path | None
    python: Path | None = None
    torch: str = "auto"
    online: bool = True


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
            python = ["--python", self._python_at_hand(choice)]
            what = ["pip", "compile", *python, "--format", "pylock.toml", "-o", lock]
            torch = uv_words.torch_arguments(choice.torch, self._torch_build(choice))
            if (torch_lock := choice.requirements.with_name(TORCH_LOCK)).is_file():
                torch += ["-c", str(torch_lock)]
            self._run([choice.uv, *what, *torch, choice.requirements], choice, "The estimate")
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
            partial = self._bare_environment(choice)
            self._fetch(choice, partial, download_bytes)
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

    def _bare_environment(self, choice: InstallChoice) -> Path:
        """environment.partial with a working interpreter, an earlier attempt's if it serves."""
        partial = self.folder / "environment.partial"
        if self._works(interpreter(partial), choice):
            return partial
        shutil.rmtree(unlimited(partial), ignore_errors=True)
        self.report(Progress("Preparing a Python for the backend."))
        if choice.uv is None:
            self._venv_of_python(choice, partial)
            return partial
        python = choice.python or uv_words.PYTHON_RANGE
        command = [choice.uv, "venv", "--relocatable", "--no-project", "--python", python, partial]
        try:
            self._run(command, choice, "Finding a Python")
        except BackendError:
            host = Path(sys.executable)  # Blender's own Python can lend its standard library
            if choice.python is not None or not host.is_file():
                raise
            command[command.index(python)] = host
            self._run(command, choice, "Finding a Python")
        return partial

    def _python_at_hand(self, choice: InstallChoice) -> Path | str:
        """A Python to resolve packages for, without fetching one: at the worst the host's own."""
        if choice.python is not None:
            return choice.python
        find = [choice.uv, "python", "find", "--no-python-downloads", uv_words.PYTHON_RANGE]
        found = self._status(find, choice, []) == 0
        return uv_words.PYTHON_RANGE if found else sys.executable

    def _venv_of_python(self, choice: InstallChoice, partial: Path) -> None:
        if choice.python is None:
            raise InputError("Without uv a Python has to be named; choose one in the preferences.")
        probe = [choice.python, "-I", "-c", "import venv, ensurepip"]
        if self._status(probe, choice, []) != 0:
            raise InputError(
                f"{choice.python} cannot make environments (venv or ensurepip is missing); choose "
                "another Python, or leave the field empty to let uv find one."
            )
        self._run([choice.python, "-I", "-m", "venv", partial], choice, "Making an environment")

    def _works(self, python: Path, choice: InstallChoice) -> bool:
        if not python.exists():
            return False
        has_pip = [] if choice.uv is not None else ["import pip"]
        code = "; ".join(["import sys", *has_pip, "sys.exit(not (3, 11) <= sys.version_info)"])
        return self._status([python, "-I", "-c", code], choice, []) == 0

    def _fetch(self, choice: InstallChoice, partial: Path, download_bytes: int) -> None:
        progress = uv_words.InstallProgress(download_bytes)
        free_before = shutil.disk_usage(self.folder).free

        def on_line(line: str) -> None:
            progress.line(line)
            self.report(Progress(progress.text, progress.fraction))

        def on_wait() -> None:
            progress.written(max(0, free_before - shutil.disk_usage(self.folder).free))
            self.report(Progress(progress.text, progress.fraction))

        if choice.uv is not None:
            install = [choice.uv, "pip", "install", "--python", interpreter(partial)]
        else:
            install = [interpreter(partial), "-I", "-m", "pip", "install", "--progress-bar", "off"]
        locked = [*install, *uv_words.LOCKED, "-r", choice.requirements]
        self._run(locked, choice, "The installation", on_line, on_wait)
        build = self._torch_build(choice)
        by_uv = choice.uv is not None
        ways = uv_words.torch_packages(choice.requirements, choice.torch, build, by_uv)
        for way in ways[:-1]:
            if self._status([*install, *way], choice, [], on_line, on_wait) == 0:
                return
        for way in ways[-1:]:
            self._run([*install, *way], choice, "The installation", on_line, on_wait)

    def _torch_build(self, choice: InstallChoice) -> str:
        lines: list[str] = []
        program = graphics.nvidia_smi() if choice.torch == "auto" else None
        if program is not None:
            self._execute([program, *graphics.ASK], lines.append, lambda: None, online=True)
        cuda_13 = graphics.can_run_cuda_13("\n".join(lines), graphics.kernel_module())
        return uv_words.torch_build(choice.torch, cuda_13)

    def _problems(self, environment: Path, requirements: Path) -> list[str]:
        script = Path(__file__).with_name("check_environment.py")
        lines: list[str] = []
        command = [interpreter(environment), "-I", script, requirements]
        status = self._execute(command, lines.append, lambda: None, online=True)
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

    def _run(
        self,
        command: list[Any],
        choice: InstallChoice,
        doing: str,
        on_line: Callable[[str], None] = lambda line: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        lines: list[str] = []
        if self._status(command, choice, lines, on_line, on_wait) != 0:
            self._keep_log(lines)
            raise uv_words.explain(lines, doing, choice.online)

    def _status(
        self,
        command: list[Any],
        choice: InstallChoice,
        lines: list[str],
        on_line: Callable[[str], None] = lambda line: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> int:
        def both(line: str) -> None:
            lines.append(line)
            on_line(line)

        return self._execute(command, both, on_wait, choice.online)

    def _execute(
        self,
        command: list[Any],
        on_line: Callable[[str], None],
        on_wait: Callable[[], None],
        online: bool,
    ) -> int:
        env = uv_words.environment(self.folder)
        uv_words.check_sources(env)
        if not online:
            env |= {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}
        return run_child(
            command,
            env=env,
            cwd=self.folder,
            on_line=on_line,
            cancel=self.cancel,
            on_wait=on_wait,
        )

    def _keep_log(self, lines: list[str]) -> None:
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        (logs / "install.log").write_text("\n".join(lines) + "\n", encoding="utf-8")


def interpreter(environment: Path) -> Path:
    """The Python inside a virtual environment on this system."""
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


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
