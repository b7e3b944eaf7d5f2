# SPDX-License-Identifier: GPL-3.0-or-later
"""A world: anchor points and memory frames, in memory and as a folder.

world.json             version, revision, units, whole (see `Anchors`), provenance, memory frames;
                       names all of the world's other files
anchors.safetensors    xyz (N, 3) float32 metres, rgb (N, 3) uint8, radius (N,) float32 metres
memory/0000.png        a memory frame's picture, sRGB
memory/0000.depth.npy  its z-depth in metres, float32, +inf = sky, 0 = unknown
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ..shared import world as shared_world
from ..shared.anchors import Anchors
from ..shared.arrays import write_safetensors
from ..shared.camera import Camera
from ..shared.content import content_hash
from ..shared.errors import InputError, WorldError, WorldFMError
from ..shared.frame import MemoryFrame
from ..shared.own_files import WORLD, Draft

VERSION = 1

_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version -> function that turns the world.json of that version into the next one's."""

_MANIFEST = "world.json"
_ANCHORS = "anchors.safetensors"
_PNG_EFFORT = 2
_THREADS = 4


class World(shared_world.World):
    """A world that can be saved and loaded."""

    def content_hash(self) -> str:
        """32 hex digits of everything that can be seen: anchors, pictures, depths, cameras."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.anchors.xyz, self.anchors.rgb, self.anchors.radius):
            digest.update(content_hash(array).encode())
        digest.update(str(self.anchors.whole).encode())
        for frame in self.memory:
            depth = "-" if frame.depth is None else content_hash(frame.depth)
            camera = json.dumps(frame.camera.to_json())
            parts = (frame.id, str(frame.enabled), camera, content_hash(frame.rgb), depth)
            digest.update("\n".join(parts).encode())
        return digest.hexdigest()

    def save(self, folder: Path, more: Mapping[str, Callable[[Path], None]] | None = None) -> None:
        """Write the world as `folder`: all of it or nothing. Of a world that is there already its
        own files are replaced, and kept until the new one is whole; others stay as they are.

        more: what writes further files of the world ("blockout.npz"). Raises WorldFMError when it
        cannot be written, WorldError when `folder` holds something else than a world.
        """
        folder = Path(folder)
        _check_target(folder)
        with WORLD.draft(folder) as draft:
            _write(self, draft, more or {})

    @classmethod
    def load(cls, folder: Path) -> World:
        """Read what `save` wrote. Raises WorldError naming what is missing, damaged or newer."""
        folder = Path(folder)
        data = _manifest(folder)
        try:
            anchors = _load_anchors(folder, data)
            with ThreadPoolExecutor(_THREADS) as pool:
                memory = list(pool.map(lambda entry: _load_frame(folder, entry), data["memory"]))
            provenance = {str(k): str(v) for k, v in data.get("provenance", {}).items()}
            world = cls(anchors, memory, int(data["revision"]), provenance)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WorldError(
                f"'{folder / _MANIFEST}' is damaged ({type(error).__name__}: {error}); "
                "export the world again."
            ) from error
        if len({frame.id for frame in memory}) < len(memory):
            raise WorldError(
                f"Two memory frames of '{folder}' have the same id; export the world again."
            )
        return world


def _check_target(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MANIFEST).is_file()):
        raise WorldError(
            f"'{folder}' exists and is not a world; choose an empty or another folder."
        )


def _write(world: World, draft: Draft, more: Mapping[str, Callable[[Path], None]]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        entries = list(
            pool.map(lambda item: _save_frame(draft, *item), list(enumerate(world.memory)))
        )
    anchors = world.anchors
    path, listed = draft.file(_ANCHORS)
    write_safetensors(path, {"xyz": anchors.xyz, "rgb": anchors.rgb, "radius": anchors.radius})
    others = {}
    for name, write in more.items():
        path, others[name] = draft.file(name)
        write(path)
    manifest = {
        "format": "worldfm-world",
        "version": VERSION,
        "revision": world.revision,
        "units": "metres",
        "up": "Z",
        "whole": world.anchors.whole,
        "anchors": listed,
        "more": others,
        "provenance": world.provenance,
        "memory": entries,
    }
    draft.manifest = json.dumps(manifest, indent=1).encode()


def _save_frame(draft: Draft, index: int, frame: MemoryFrame) -> dict[str, Any]:
    """Writes picture and depth; returns the entry of world.json."""
    flags = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT]
    encoded, png = cv2.imencode(".png", np.ascontiguousarray(frame.rgb[..., ::-1]), flags)
    if not encoded:
        raise WorldFMError(f"The picture of memory frame '{frame.name}' could not be encoded.")
    path, image = draft.file(f"memory/{index:04d}.png")
    path.write_bytes(png)
    depth = None
    if frame.depth is not None:
        path, depth = draft.file(f"memory/{index:04d}.depth.npy")
        with open(path, "wb") as file:
            np.save(file, frame.depth, allow_pickle=False)
    return {
        "id": frame.id,
        "name": frame.name,
        "enabled": frame.enabled,
        "image": image,
        "depth": depth,
        "camera": frame.camera.to_json(),
    }


def _manifest(folder: Path) -> dict[str, Any]:
    """world.json, brought to the current version."""
    path = folder / _MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorldError(f"'{folder}' is not a world: it has no {_MANIFEST}.") from None
    except OSError as error:
        raise WorldError(f"'{path}' could not be read ({error.strerror}).") from error
    except ValueError as error:
        raise WorldError(f"'{path}' is damaged ({error}); export the world again.") from error
    version = data.get("version") if isinstance(data, dict) else None
    if not isinstance(version, int) or version < 1:
        raise WorldError(f"'{path}' is damaged (it has no version); export the world again.")
    if version > VERSION:
        raise WorldError(
            f"'{folder}' was written by a newer version of WorldFM (format {version}, this one "
            f"reads up to {VERSION}); update WorldFM."
        )
    while data["version"] < VERSION:
        data = _UPGRADES[data["version"]](data)
    return data


def _load_anchors(folder: Path, data: dict[str, Any]) -> Anchors:
    path = _inside(folder, data.get("anchors", _ANCHORS), "anchors")
    whole = bool(data.get("whole", False))
    if not path.is_file():
        raise WorldError(f"'{path}' is missing; export the world again.")
    try:
        arrays = load_file(path)
        return Anchors(arrays["xyz"], arrays["rgb"], arrays["radius"], whole)
    except (OSError, SafetensorError, KeyError) as error:
        raise WorldError(f"'{path}' is damaged ({error}); export the world again.") from error


def _load_frame(folder: Path, entry: dict[str, Any]) -> MemoryFrame:
    name = str(entry["name"])
    png = _read(folder, entry["image"], name)
    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) if png else None
    if bgr is None:
        raise WorldError(
            f"The picture of memory frame '{name}' in '{folder}' cannot be decoded; "
            "export the world again."
        )
    depth = None
    if entry["depth"] is not None:
        path = _inside(folder, entry["depth"], name)
        try:
            depth = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise WorldError(
                f"The depth of memory frame '{name}' in '{folder}' is missing or damaged "
                f"({error}); export the world again."
            ) from error
    try:
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        camera = Camera.from_json(entry["camera"])
        return MemoryFrame(str(entry["id"]), name, camera, rgb, depth, bool(entry["enabled"]))
    except InputError as error:
        raise WorldError(f"Memory frame '{name}' in '{folder}' is damaged: {error}") from error


def _read(folder: Path, file: Any, name: str) -> bytes:
    path = _inside(folder, file, name)
    try:
        return path.read_bytes()
    except OSError as error:
        raise WorldError(
            f"The picture of memory frame '{name}' is missing: '{path}' could not be read "
            f"({error.strerror}); export the world again."
        ) from error


def _inside(folder: Path, file: Any, name: str) -> Path:
    """`file` of the world, refused when it points out of the folder."""
    if not isinstance(file, str):
        raise WorldError(f"Memory frame '{name}' in '{folder}' names no file.")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise WorldError(
            f"Memory frame '{name}' of '{folder}' names a file outside of the world's folder "
            f"('{file}'); it will not be read."
        )
    return path
