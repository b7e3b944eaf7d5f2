# SPDX-License-Identifier: GPL-3.0-or-later
"""The installation of the backend as the preferences see it: one task at a time, polled."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from . import redraw, runtime
from .backend.client import (
    Estimate,
    Installation,
    InstallChoice,
    InstallState,
    InstallTask,
)
from .backend.shared.errors import BackendError

REQUIREMENTS = runtime.ROOT / "backend" / "requirements.txt"
_POLL_SECONDS = 0.2
_LAST_SECONDS = 3.0
"""How long an unregistering waits for a cancelled task: its program is killed by then."""

_installation: Installation | None = None
_task: InstallTask | None = None
_finish: Callable[[Any], str] | None = None
estimate: Estimate | None = None
"""What an installation would fetch, once it was asked."""
outcome = ""
"""How the last task ended: one sentence."""


def installation() -> Installation:
    """The environment in the data folder."""
    global _installation
    folder = runtime.data_folder()
    if _installation is None or (_installation.folder != folder and task() is None):
        _installation = Installation(folder)
    return _installation


def state() -> InstallState:
    """What is installed."""
    return installation().state(REQUIREMENTS)


def choice() -> InstallChoice:
    """What the preferences ask for. Raises BackendError when there is nothing to install with."""
    preferences = runtime.preferences()
    uv = uv_program()
    python = Path(preferences.base_python) if preferences.base_python else None
    if uv is None and python is None:
        raise BackendError(
            "This copy of the add-on has no installer for this system; name a Python 3.11 or newer "
            "under Base Python and try again."
        )
    return InstallChoice(REQUIREMENTS, uv, python, preferences.torch, bpy.app.online_access)


def uv_program() -> Path | None:
    """The installer that ships as a wheel, made executable; Blender unpacks wheels as they are."""
    name = "uv.exe" if sys.platform == "win32" else "uv"
    places = (p for f in sys.path for p in Path(f).glob(f"uv-*.data/scripts/{name}"))
    shipped = next(places, None)
    if shipped is None:
        return None
    if shipped.stat().st_mode & stat.S_IXUSR:
        return shipped
    # the extension's folder may be shared or read-only: the copy that runs lies with our data
    version = shipped.parents[1].name.removesuffix(".data")
    runnable = runtime.data_folder() / "bin" / f"{version}-{name}"
    if not runnable.exists():
        runnable.parent.mkdir(exist_ok=True)
        beside = runnable.with_suffix(".part")
        shutil.copyfile(shipped, beside)
        beside.chmod(0o755)
        beside.replace(runnable)
    return runnable


def task() -> InstallTask | None:
    """The task that is under way."""
    return _task


def begin(work: Callable[[Installation], Any], finish: Callable[[Any], str]) -> None:
    """Start `work` in a thread; `finish` turns its result into the sentence that is shown.

    Raises BackendError while another task is under way. Without a window it waits for the end.
    """
    global _task, _finish, outcome
    if _task is not None:
        raise BackendError("The installer is busy; wait for it or press Cancel.")
    outcome, _finish = "", finish
    _task = InstallTask(installation(), work)
    if bpy.app.background:
        while not _task.join(_POLL_SECONDS):
            pass
        _poll()
    elif not bpy.app.timers.is_registered(_poll):
        bpy.app.timers.register(_poll, first_interval=_POLL_SECONDS, persistent=True)


def _poll() -> float | None:
    """Draw the progress; take in the result at the end."""
    global _task, _finish, outcome
    if not bpy.app.background:
        redraw.redraw()
    if _task is not None and not _task.done:
        return _POLL_SECONDS
    ended, finish = _task, _finish
    _task = _finish = None
    if ended is not None and finish is not None:
        outcome = str(ended.error) if ended.error else finish(ended.result)
    return None


def failed() -> bool:
    """Whether the preferences have nothing usable yet."""
    return state() is not InstallState.READY and not runtime.preferences().python


def note_estimate(found: Estimate) -> str:
    """Keep an estimate; gives the sentence about it."""
    global estimate
    estimate = found
    return describe(found)


def describe(found: Estimate) -> str:
    """An estimate as a sentence."""
    size = _gigabytes(found.download_bytes) if found.download_bytes else "an unknown size"
    disk = f", {_gigabytes(found.disk_bytes)} on disk" if found.disk_bytes else ""
    return f"{found.packages} packages to download: {size}{disk}."


def before_installing() -> list[str]:
    """What the user should know before anything is fetched, a line each."""
    if not bpy.app.online_access:
        lines = ["Online Access is off: only what was fetched before is used."]
    elif estimate is None:
        lines = ["Several packages are downloaded; Estimate Size says how much."]
    else:
        lines = [describe(estimate)]
    free = shutil.disk_usage(runtime.data_folder()).free
    return [*lines, f"To {runtime.data_folder()}", f"({_gigabytes(free)} are free there)"]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def cancel() -> None:
    """Ask the task to end; what was fetched is kept."""
    if _task is not None:
        _task.cancel()


def detach() -> None:
    """End the task, as on unregister: nothing is left that polls or computes."""
    global _task, _finish
    if bpy.app.timers.is_registered(_poll):
        bpy.app.timers.unregister(_poll)
    if _task is not None:
        _task.cancel()
        _task.join(_LAST_SECONDS)
    _task = _finish = None
