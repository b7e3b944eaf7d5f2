# SPDX-License-Identifier: GPL-3.0-or-later
"""A world from the .blend into a folder beside it, and back."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ..backend.shared.anchors import Anchors
from ..backend.shared.errors import InputError, WorldError
from ..backend.shared.world import World
from ..backend.shared.world_folder import save_world
from .anchor_points import anchor_mesh, stored_points
from .memory import pack_frame, read_frame, unpack_frame
from .trust import trust_of
from .world import digest
from .world_folder import FOLDER, METRES, choose_place, folder_of
from .world_reader import read_world

PREVIEW_POINTS = 20_000
"""Points that a world in a folder leaves in the .blend, to be seen and selected by."""


def world_to_folder(scene: bpy.types.Scene, ob: bpy.types.Object) -> Path:
    """Move an object's points, and the memory frames that came with it, beside the .blend.

    Raises InputError when the .blend has no place yet, WorldFMError when nothing could be written;
    then nothing has changed.
    """
    if not bpy.data.filepath:
        raise InputError("Save this file first; the world's folder will stand beside it.")
    scale = scene.unit_settings.scale_length
    points = stored_points(ob, scale)
    items = _frames_of(scene, ob)
    frames = [read_frame(item) for item in items]
    name = digest(*_bytes_of(points), *(f.id.encode() for f in frames))
    listed = f"//{Path(bpy.data.filepath).stem} worlds/{_file_name(ob.name)} {name[:4].hex()}"
    folder = Path(bpy.path.abspath(listed))
    if not (folder / "world.json").is_file():  # the name says what is in it
        source = {"source": Path(bpy.data.filepath).name, "object": ob.name}
        trust = trust_of(ob)
        source |= {} if trust is None else trust.record()
        save_world(World(points, frames, 1, source), folder)
    _set_mesh(ob, _thinned(points), scale)
    ob[FOLDER], ob[METRES] = listed, scale
    for item, frame in zip(items, frames, strict=True):
        unpack_frame(item, frame, listed)
    return folder


def world_to_file(scene: bpy.types.Scene, ob: bpy.types.Object) -> Path:
    """The reverse; the folder stays. Raises WorldError when it is gone or damaged."""
    kept = folder_of(ob)
    if kept is None:
        raise InputError(f"The points of '{ob.name}' are in this file already.")
    points = stored_points(ob, kept.scale_length)
    items = [item for item in scene.worldfm.memory if item.folder == ob[FOLDER]]
    frames = [read_frame(item) for item in items]
    _set_mesh(ob, points, kept.scale_length)
    del ob[FOLDER], ob[METRES]
    for item, frame in zip(items, frames, strict=True):
        pack_frame(item, frame)
    return kept.path


def point_to_folder(scene: bpy.types.Scene, ob: bpy.types.Object, folder: Path) -> None:
    """Say where an object's world folder is now. Raises WorldError when it is not that world."""
    if not ob.get(FOLDER):
        raise InputError(f"The points of '{ob.name}' are in this file; there is no folder to find.")
    old = str(ob[FOLDER])
    if folder.name != Path(old).name:
        raise WorldError(f"'{folder.name}' is another world; choose the folder '{Path(old).name}'.")
    read_world(folder)
    choose_place(folder)
    listed = bpy.path.relpath(str(folder)) if bpy.data.filepath else str(folder)
    ob[FOLDER] = listed
    ob.update_tag(refresh={"DATA"})  # viewports read it again
    for item in scene.worldfm.memory:
        if item.folder == old:
            item.folder = listed


def _frames_of(scene: bpy.types.Scene, ob: bpy.types.Object) -> list[bpy.types.PropertyGroup]:
    names = {collection.name for collection in ob.users_collection}
    return [item for item in scene.worldfm.memory if item.source in names and not item.folder]


def _bytes_of(points: Anchors) -> list[bytes]:
    return [array.tobytes() for array in points.arrays()]


def _thinned(points: Anchors) -> Anchors:
    step = max(1, -(-len(points) // PREVIEW_POINTS))
    few = points.only(np.arange(len(points)) % step == 0)
    radius = few.radius * np.float32(np.sqrt(step))
    return Anchors(few.xyz, few.rgb, radius, splats=few.splats, harmonics=few.harmonics)


def _set_mesh(ob: bpy.types.Object, points: Anchors, scale_length: float) -> None:
    old = ob.data
    ob.data = anchor_mesh(old.name, points, scale_length)
    ob.data.materials.clear()
    for material in old.materials:
        ob.data.materials.append(material)
    if not old.users:
        bpy.data.meshes.remove(old)


def _file_name(name: str) -> str:
    """A name that every file system takes."""
    kept = "".join(c if c.isalnum() or c in " -_" else "_" for c in name).strip()
    return kept[:60] or "World"
