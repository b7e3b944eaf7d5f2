# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as a folder. Both sides write and read worlds with this and nothing else.

world.json               version, units, revision, provenance, files, anchors, memory, scene
anchors.safetensors      xyz (N, 3) float32 metres, rgb (N, 3) uint8, radius (N,) float32 metres
scene.safetensors        meshes, textures and background of a scene, named by their content
memory/0000.png          a photo's picture, sRGB
memory/0000.radiance.npy or a render's colours, (H, W, 3) float16 scene-linear
memory/0000.depth.npy    its z-depth in metres, float32, +inf = sky, 0 = unknown
moments.safetensors      what memory frames keep of the scene that they saw, named by its content

world.json lists the world's own files; whatever else stands in the folder is the user's, and stays
(see `own_files.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from .anchors import Anchors
from .arrays import read_npy, read_safetensors
from .content import content_hash
from .errors import WorldError
from .frame import MemoryFrame
from .own_files import WORLD
from .png import decode_png
from .reading import MALFORMED, inside, read_bytes, read_json, reason, whole_number
from .tree_codec import decode_tree, read_inline
from .world import World
from .world_content import MAX_CONTENT_BYTES, ContentReader, write_content
from .world_writer import write_files

VERSION = 2
MANIFEST = "world.json"
_THREADS = 4
_MOST_FILE = 1 << 30
"""Bytes of one picture or depth."""
MOST_PIXELS = 2_000_000_000
"""Of a world's memory frames together."""
_ABOUT = {"format": "worldfm-world", "version": VERSION, "units": "metres", "up": "Z"}


def save_world(
    world: World,
    folder: Path,
    overwrite: bool = False,
    more: Mapping[str, Callable[[Path], None]] | None = None,
) -> None:
    """Write `world` as `folder`: all of it or nothing.

    overwrite: of the world that is there already its own files are replaced, and kept until the
    new one is whole; others stay as they are. more: what writes further files of the world
    ("blockout.npz"). Raises WorldError when `folder` holds something else, or a world that may not
    be replaced, and WorldFMError when it cannot be written.
    """
    folder = Path(folder)
    _check_target(folder, overwrite)
    with WORLD.draft(folder) as draft:
        tree = write_files(world, draft, more or {})
        manifest = {**_ABOUT, "files": sorted(draft.written), **tree}
        draft.manifest = json.dumps(manifest, indent=1).encode()


def load_world(folder: Path) -> World:
    """Read what `save_world` wrote. Raises WorldError naming what is missing, damaged or newer."""
    folder = Path(folder)
    tree = _tree(folder)
    try:
        entries = tree.pop("memory")
        _check_pixels(folder, entries)
        arrays = _array_getter(folder)
        with ThreadPoolExecutor(_THREADS) as pool:
            memory = list(pool.map(lambda entry: _frame(folder, entry, arrays), entries))
        world = ContentReader().decode({**tree, "memory": []}, arrays)
    except MALFORMED as error:
        raise _damaged(folder / MANIFEST, f"{type(error).__name__}: {reason(error)}") from error
    if len({frame.id for frame in memory}) < len(memory):
        raise WorldError(
            f"Two memory frames of '{folder}' have the same id; export the world again."
        )
    return replace(world, memory=memory)


def load_anchors(folder: Path) -> Anchors:
    """The points alone. Raises WorldError."""
    return _part(folder, lambda tree: decode_tree(Anchors, tree["anchors"], _array_getter(folder)))


def load_frame(folder: Path, identity: str) -> MemoryFrame:
    """The memory frame of that id alone. Raises WorldError."""

    def found(tree: dict[str, Any]) -> MemoryFrame:
        (entry,) = (entry for entry in tree["memory"] if entry["id"] == identity)
        return _frame(folder, entry, _array_getter(folder))

    return _part(folder, found)


def file_of(folder: Path, name: str) -> Path | None:
    """The file that was saved with a world as `name`, None when there is none."""
    listed = _manifest(folder)["more"]
    path = _inside(folder, listed[name]) if name in listed else None
    return path if path is not None and path.is_file() else None


def world_hash(world: World) -> str:
    """32 hex digits of everything that can be seen: anchors, memory and scene."""
    content, _ = write_content(World(world.anchors, world.memory, 0, {}, world.scene))
    return content_hash(content)


def _part(folder: Path, read: Callable[[dict[str, Any]], Any]) -> Any:
    try:
        return read(_tree(folder))
    except MALFORMED as error:
        raise _damaged(folder / MANIFEST, f"{type(error).__name__}: {reason(error)}") from error


def _check_target(folder: Path, overwrite: bool) -> None:
    if not folder.exists():
        return
    if (folder / MANIFEST).is_file():
        if not overwrite:
            raise WorldError(
                f"'{folder}' holds a world already; tick Replace to write over it, or choose "
                "another folder."
            )
    elif not folder.is_dir() or any(folder.iterdir()):
        raise WorldError(
            f"'{folder}' exists and is not a world; choose an empty or another folder."
        )


def _manifest(folder: Path) -> dict[str, Any]:
    """world.json, brought to the current version."""
    path = folder / MANIFEST
    try:
        data = read_json(path, MAX_CONTENT_BYTES)
    except FileNotFoundError:
        raise WorldError(f"'{folder}' is not a world: it has no {MANIFEST}.") from None
    except OSError as error:
        raise WorldError(f"'{path}' could not be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, reason(error)) from error
    version = data.get("version") if isinstance(data, dict) else None
    if type(version) is not int or version < 1:
        raise _damaged(path, "it has no version")
    if version > VERSION:
        raise WorldError(
            f"'{folder}' was written by a newer version of WorldFM (format {version}, this one "
            f"reads up to {VERSION}); update WorldFM."
        )
    try:
        while data["version"] < VERSION:
            data = _UPGRADES[data["version"]](data)
        if not isinstance(data["more"], dict):
            raise TypeError("it does not list its files")
    except MALFORMED as error:
        raise _damaged(path, f"{type(error).__name__}: {reason(error)}") from error
    return data


def _from_version_1(data: dict[str, Any]) -> dict[str, Any]:
    """Points and 8-bit memory, in files of fixed names."""
    points = str(data.get("anchors", "anchors.safetensors"))
    more = data.get("more", {"blockout.npz": "blockout.npz"})
    memory = [
        {"rgb": entry["image"], **{k: v for k, v in entry.items() if k != "image"}}
        for entry in data["memory"]
    ]
    anchors = {name: f"{points}#{name}" for name in ("xyz", "rgb", "radius")}
    return {
        **_ABOUT,
        "version": 2,
        "more": more,
        "revision": int(data["revision"]),
        "provenance": {str(k): str(v) for k, v in data.get("provenance", {}).items()},
        "anchors": anchors | {"whole": bool(data.get("whole", False))},
        "memory": memory,
    }


_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_version_1}
"""Version -> what turns the world.json of that version into the next one's."""


def _tree(folder: Path) -> dict[str, Any]:
    """The world's own part of world.json."""
    manifest = _manifest(folder)
    return {k: v for k, v in manifest.items() if k not in {*_ABOUT, "files", "more"}}


def _array_getter(folder: Path) -> Callable[[Any], np.ndarray]:
    """Finds the arrays of anchors, moments and scene, from any thread; reads each file once."""
    files: dict[str, dict[str, np.ndarray]] = {}
    reading = Lock()

    def get(data: Any) -> np.ndarray:
        if isinstance(data, dict):
            return read_inline(data)
        file, _, name = data.partition("#")
        with reading:
            return of_file(file)[name]

    def of_file(file: str) -> dict[str, np.ndarray]:
        if file not in files:
            path = _inside(folder, file)
            try:
                files[file] = read_safetensors(path)
            except FileNotFoundError as error:
                raise WorldError(f"'{path}' is missing; export the world again.") from error
            except MALFORMED as error:
                raise _damaged(path, reason(error)) from error
        return files[file]

    return get


def _frame(folder: Path, entry: dict[str, Any], arrays: Callable[[Any], np.ndarray]) -> MemoryFrame:
    """A memory frame of world.json. arrays: gives those of its moment. Raises WorldError that
    names it."""
    name = entry["name"]

    def get(data: Any) -> np.ndarray:
        if isinstance(data, dict) or "#" in data:
            return arrays(data)
        what = "depth" if data == entry.get("depth") else "picture"
        path = _inside(folder, data)
        try:
            content = read_bytes(path, _MOST_FILE)
        except ValueError as error:
            raise WorldError(f"The {what} of memory frame '{name}' is too large.") from error
        except OSError as error:
            raise WorldError(
                f"The {what} of memory frame '{name}' is missing: '{path}' could not be read "
                f"({error.strerror}); export the world again."
            ) from error
        try:
            if path.suffix == ".png":
                width, height = entry["camera"]["size"]
                return decode_png(content, (width, height))
            return read_npy(content)
        except MALFORMED as error:
            raise WorldError(
                f"The {what} of memory frame '{name}' in '{folder}' cannot be decoded, it is "
                f"damaged ({reason(error)}); export the world again."
            ) from error

    try:
        frame: MemoryFrame = ContentReader().frame(entry, get)
        return frame
    except ValueError as error:
        raise WorldError(f"Memory frame '{name}' in '{folder}' is damaged: {error}.") from error


def _check_pixels(folder: Path, entries: list[dict[str, Any]]) -> None:
    """Before anything is decoded: all pictures together fit in memory."""
    sizes = (entry["camera"]["size"] for entry in entries)
    pixels = sum(whole_number(width, 1) * whole_number(height, 1) for width, height in sizes)
    if pixels > MOST_PIXELS:
        raise WorldError(
            f"The memory frames of '{folder}' have {pixels / 1e6:.0f} megapixels together, more "
            f"than the {MOST_PIXELS / 1e6:.0f} that are held; remove some of them."
        )


def _inside(folder: Path, file: Any) -> Path:
    """`file` of the world in `folder`. Raises WorldError when it points out of the folder."""

    def say(why: str) -> WorldError:
        return WorldError(f"The world in '{folder}' names a file that {why}; do not trust it.")

    return inside(folder, file, say)


def _damaged(path: Path, why: str) -> WorldError:
    return WorldError(f"'{path}' is damaged ({why.rstrip('.')}); export the world again.")
