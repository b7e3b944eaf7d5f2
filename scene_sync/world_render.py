# SPDX-License-Identifier: GPL-3.0-or-later
"""A world rendered as a picture of directions by Cycles, in a Blender beside this one.

Neither the window nor a render that is under way waits for it, and nothing of the user's file is
touched: only the world, written to a file of its own, goes over.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import bpy
import numpy as np

from ..backend.shared.arrays import checked, read_npy
from ..backend.shared.child_process import run_child
from ..backend.shared.errors import BackendError, WorldFMError
from ..backend.shared.leftovers import temporary_folder
from ..backend.shared.reading import MALFORMED
from .shader import Shader

WIDTH = 2048
"""Pixels around; half as many up."""
_SECONDS = 300
_CHANNELS = 3
_KEPT = 8
_FAILED: tuple[type[Exception], ...] = (WorldFMError, *MALFORMED)
_SCRIPT = Path(__file__).parent / "world_script.py"


class WorldRender:
    """One world's picture, under way or done."""

    def __init__(self, world: bpy.types.World, frame: int) -> None:
        self.name = world.name_full
        self._over = Event()
        self._pixels: np.ndarray | None = None
        self._problem = ""
        left = ExitStack()
        folder = left.enter_context(temporary_folder("sky"))
        file, made = folder / "world.blend", folder / "sky.npy"
        bpy.data.libraries.write(str(file), {world}, path_remap="ABSOLUTE", fake_user=True)
        words = [str(file), str(made), world.name, str(frame), str(WIDTH)]
        command = [*blender_command(), *words]
        Thread(
            target=self._run, args=(command, made, left), name="WorldFM world", daemon=True
        ).start()

    @property
    def done(self) -> bool:
        """Whether `pixels` answers at once."""
        return self._over.is_set()

    def pixels(self) -> np.ndarray:
        """(H, W, 3) float32 radiance. Waits for it: not for a draw.

        Raises BackendError where it could not be rendered.
        """
        self._over.wait()
        if self._pixels is None:
            raise BackendError(self._problem)
        return self._pixels

    def _run(self, command: list[str], made: Path, left: ExitStack) -> None:
        said: deque[str] = deque(maxlen=1)
        try:
            with left:
                _render(command, made.parent, said)
                pixels = checked(read_npy(made), "its picture", np.float32, (None, None, None))
            if pixels.shape[2] < _CHANNELS:
                raise ValueError(f"its picture has the shape {pixels.shape}")
            self._pixels = pixels
        except _FAILED as error:
            last = next(iter(said), str(error))
            self._problem = (
                f"The world '{self.name}' could not be rendered and counts as black ({last}); "
                "render it with Cycles once to see why."
            )
        finally:
            self._over.set()


def _render(command: list[str], folder: Path, said: deque[str]) -> None:
    """Have a Blender render; it ends with this one, however that ends."""
    latest = time.monotonic() + _SECONDS

    def hear(line: str) -> None:
        if line:
            said.append(line)

    def watch() -> None:
        if time.monotonic() > latest:
            said.append(f"it took more than {_SECONDS} s")
            raise TimeoutError

    run_child(command, env=os.environ, cwd=folder, on_line=hear, cancel=Event(), on_wait=watch)


_cache: dict[tuple[str, ...], WorldRender] = {}


def render_of(world: bpy.types.World, shader: Shader, frame: int) -> WorldRender:
    """The picture of an (original) world; the one at hand where nodes and images are the same."""
    pictures = [picture.fingerprint.hex() for picture in shader.pictures]
    key = (shader.program(list(range(len(pictures)))), *pictures)
    render = _cache.pop(key, None) or WorldRender(world, frame)
    _cache[key] = render  # the newest last
    while len(_cache) > _KEPT:
        _cache.pop(next(iter(_cache)))
    return render


def blender_command() -> list[str]:
    """What runs `world_script.py` in a Blender without a window."""
    if bpy.app.binary_path:
        quiet = ["--background", "--factory-startup", "--python-exit-code", "1"]
        return [bpy.app.binary_path, *quiet, "--python", str(_SCRIPT), "--"]
    return [sys.executable, str(_SCRIPT), "--"]  # Blender as a module of this Python
