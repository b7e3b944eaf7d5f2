# SPDX-License-Identifier: GPL-3.0-or-later
"""Save As into another folder: world folders, whose places are relative to the .blend, are found
from there too.

Blender does as much for its own paths (Remap Relative) and cannot know of ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import bpy

from .world_folder import FOLDER


@dataclass(frozen=True)
class _Place:
    """Where a world folder is written down: a property of an object, or of a memory frame."""

    owner: bpy.types.Object | bpy.types.PropertyGroup
    listed: str

    def write(self, listed: str) -> None:
        if isinstance(self.owner, bpy.types.Object):
            self.owner[FOLDER] = listed
        else:
            self.owner.folder = listed


_came_from = ""
_before: list[_Place] = []
"""What stood there before the present save."""


def before_save(target: str) -> None:
    """Blender is about to write `target`: write places down as they are seen from there."""
    global _came_from
    _came_from = bpy.data.filepath
    _before.clear()
    there = os.path.dirname(target)
    if not _came_from or not there or os.path.dirname(_came_from) == there:
        return
    _before.extend(_relative_places())
    for place in _before:
        place.write(_seen_from(there, bpy.path.abspath(place.listed)))


def after_save() -> None:
    """Where a copy was saved, or nothing, the open file is where it was: so are its places."""
    if bpy.data.filepath == _came_from:
        for place in _before:
            place.write(place.listed)
    _before.clear()


def _relative_places() -> Iterator[_Place]:
    for ob in bpy.data.objects:
        if ob.library is None and str(ob.get(FOLDER, "")).startswith("//"):
            yield _Place(ob, str(ob[FOLDER]))
    for scene in bpy.data.scenes:
        for item in scene.worldfm.memory if scene.library is None else ():
            if item.folder.startswith("//"):
                yield _Place(item, item.folder)


def _seen_from(folder: str, path: str) -> str:
    try:
        return bpy.path.relpath(path, start=folder)
    except ValueError:  # another drive
        return path
