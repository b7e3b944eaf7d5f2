# SPDX-License-Identifier: GPL-3.0-or-later
"""The making of an environment: its interpreter and its packages, by uv or by venv and pip."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..shared.errors import BackendError, InputError
from ..shared.messages import Progress
from . import graphics
from . import uv as uv_words
from .programs import Programs
from .trees import unlimited


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


@dataclass(frozen=True)
class EnvironmentMaker:
    """One attempt in `folder`, told to `report`."""

    folder: Path
    choice: InstallChoice
    programs: Programs
    report: Callable[[Progress], None]

    def bare_environment(self) -> Path:
        """environment.partial with a working interpreter, an earlier attempt's if it serves."""
        partial = self.folder / "environment.partial"
        if self._works(interpreter(partial)):
            return partial
        shutil.rmtree(unlimited(partial), ignore_errors=True)
        self.report(Progress("Preparing a Python for the backend."))
        if self.choice.uv is None:
            self._venv_of_python(partial)
            return partial
        python = self.choice.python or uv_words.PYTHON_RANGE
        options = ["--relocatable", "--no-project", "--python"]
        command = [self.choice.uv, "venv", *options, python, partial]
        try:
            self.programs.run(command, "Finding a Python")
        except BackendError:
            host = Path(sys.executable)  # Blender's own Python can lend its standard library
            if self.choice.python is not None or not host.is_file():
                raise
            command[command.index(python)] = host
            self.programs.run(command, "Finding a Python")
        return partial

    def python_at_hand(self) -> Path | str:
        """A Python to resolve packages for, without fetching one: at the worst the host's own."""
        if self.choice.python is not None:
            return self.choice.python
        find = [self.choice.uv, "python", "find", "--no-python-downloads", uv_words.PYTHON_RANGE]
        found = self.programs.status(find) == 0
        return uv_words.PYTHON_RANGE if found else sys.executable

    def _venv_of_python(self, partial: Path) -> None:
        python = self.choice.python
        if python is None:
            raise InputError("Without uv a Python has to be named; choose one in the preferences.")
        if self.programs.status([python, "-I", "-c", "import venv, ensurepip"]) != 0:
            raise InputError(
                f"{python} cannot make environments (venv or ensurepip is missing); choose "
                "another Python, or leave the field empty to let uv find one."
            )
        self.programs.run([python, "-I", "-m", "venv", partial], "Making an environment")

    def _works(self, python: Path) -> bool:
        if not python.exists():
            return False
        has_pip = [] if self.choice.uv is not None else ["import pip"]
        code = "; ".join(["import sys", *has_pip, "sys.exit(not (3, 11) <= sys.version_info)"])
        return self.programs.status([python, "-I", "-c", code]) == 0

    def fetch(self, partial: Path, download_bytes: int) -> None:
        """The locked packages and PyTorch's into `partial`."""
        progress = uv_words.InstallProgress(download_bytes)
        free_before = shutil.disk_usage(self.folder).free

        def on_line(line: str) -> None:
            progress.line(line)
            self.report(Progress(progress.text, progress.fraction))

        def on_wait() -> None:
            progress.written(max(0, free_before - shutil.disk_usage(self.folder).free))
            self.report(Progress(progress.text, progress.fraction))

        if self.choice.uv is not None:
            install = [self.choice.uv, "pip", "install", "--python", interpreter(partial)]
        else:
            install = [interpreter(partial), "-I", "-m", "pip", "install", "--progress-bar", "off"]
        locked = [*install, *uv_words.LOCKED, "-r", self.choice.requirements]
        self.programs.run(locked, "The installation", on_line, on_wait)
        build = self.torch_build()
        by_uv = self.choice.uv is not None
        ways = uv_words.torch_packages(self.choice.requirements, self.choice.torch, build, by_uv)
        for way in ways[:-1]:
            if self.programs.status([*install, *way], on_line, on_wait) == 0:
                return
        for way in ways[-1:]:
            self.programs.run([*install, *way], "The installation", on_line, on_wait)

    def torch_build(self) -> str:
        """Which of PyTorch's, in uv's words."""
        lines: list[str] = []
        program = graphics.nvidia_smi() if self.choice.torch == "auto" else None
        if program is not None:
            replace(self.programs, online=True).status([program, *graphics.ASK], lines.append)
        cuda_13 = graphics.can_run_cuda_13("\n".join(lines), graphics.kernel_module())
        return uv_words.torch_build(self.choice.torch, cuda_13)


def interpreter(environment: Path) -> Path:
    """The Python inside a virtual environment on this system."""
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"
