# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model makes a scene's frames: the one that was adapted to its world, or the one named."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import bpy

from ..backend.shared.adapted import adapted_model
from ..backend.shared.errors import WorldError
from .world_folder import FOLDER, folder_of, is_of_a_stranger


def chosen_model(scene: bpy.types.Scene) -> str:
    """Name or path, as `LaunchSettings.model` takes it, but for a path relative to the file."""
    settings = scene.worldfm
    if settings.use_adapted:
        for ob in scene.objects:
            found = adapted_of(ob)
            if found is not None:
                return str(found)
    if is_of_a_stranger(bpy.path.abspath(settings.model)):
        return PureWindowsPath(settings.model).name  # a model of that name on this computer
    return settings.model


def adapted_of(ob: bpy.types.Object) -> Path | None:
    """The model that was adapted to the object's world."""
    try:
        kept = folder_of(ob) if FOLDER in ob else None
    except WorldError:
        return None  # it is said where the world is read
    return adapted_model(kept.path) if kept is not None else None
