# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the files of a world's folder; see `world_folder.py` for what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import write_safetensors
from .content import kept_hash
from .errors import WorldError
from .own_files import Draft
from .png import encode_png
from .tree_codec import Malformed, TreePath, encode_tree, inline
from .world import World

_THREADS = 4


def write_files(
    world: World, draft: Draft, more: Mapping[str, Callable[[Path], None]]
) -> dict[str, Any]:
    """Write all of a world's files into `draft`; the JSON that names them.

    more: what writes further files, by name. Raises OSError, and WorldError when the scene has
    something that cannot be written.
    """
    files = _Files(draft)
    try:
        tree = encode_tree(world, files.put)
    except (Malformed, TypeError) as error:
        raise WorldError(f"The scene cannot be saved ({error}); mend it in Blender.") from error
    others = {name: files.add(name, write) for name, write in more.items()}
    files.write()
    return {"more": others, **tree}


class _Files:
    """Which arrays go into which files."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._tasks: list[Callable[[], Any]] = []
        self._collections: dict[str, tuple[str, dict[str, np.ndarray]]] = {}

    def add(self, name: str, write: Callable[[Path], Any]) -> str:
        """`write` will be given the place of a file `name`; what it is called in the JSON."""
        path, listed = self._draft.file(name)
        self._tasks.append(partial(write, path))
        return listed

    def put(self, array: np.ndarray, path: TreePath) -> Any:
        """The JSON of an array."""
        match path:
            case ("anchors", field):
                return self._collect("anchors.safetensors", str(field), array)
            case ("memory", int(number), "rgb"):
                return self.add(f"memory/{number:04d}.png", partial(_write_png, array))
            case ("memory", int(number), ("radiance" | "depth") as field):
                return self.add(f"memory/{number:04d}.{field}.npy", partial(_write_npy, array))
            case ("memory", *_):
                small = inline(array)
                return small or self._collect("moments.safetensors", kept_hash(array), array)
            case _:
                small = inline(array)
                return small or self._collect("scene.safetensors", kept_hash(array), array)

    def write(self) -> None:
        """Everything, in several threads."""
        with ThreadPoolExecutor(_THREADS) as pool:
            for done in [pool.submit(task) for task in self._tasks]:
                done.result()

    def _collect(self, file: str, name: str, array: np.ndarray) -> str:
        if file not in self._collections:
            arrays: dict[str, np.ndarray] = {}
            listed = self.add(file, partial(_write_arrays, arrays))
            self._collections[file] = listed, arrays
        listed, arrays = self._collections[file]
        arrays[name] = array
        return f"{listed}#{name}"


def _write_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    write_safetensors(path, arrays)


def _write_png(rgb: np.ndarray, path: Path) -> None:
    path.write_bytes(encode_png(rgb))


def _write_npy(array: np.ndarray, path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, array, allow_pickle=False)
