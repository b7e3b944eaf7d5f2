# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do next: one step at a time, from a fresh file to a film."""

from __future__ import annotations

from typing import NamedTuple

import bpy

from . import runtime
from .backend.client import BackendState
from .backend.shared.errors import BackendError
from .scene_sync.animation import moves
from .scene_sync.put_aside import SHOWN


class Button(NamedTuple):
    """An operator with the words on it."""

    operator: str
    text: str
    icon: str


class NextStep(NamedTuple):
    """One sentence and what does it. name: for tests and for the header."""

    name: str
    text: str
    buttons: tuple[Button, ...]


_BACKEND = NextStep(
    "backend",
    "WorldFM's backend makes the frames; it is not installed yet",
    (Button("worldfm.show_preferences", "Install Backend...", "PREFERENCES"),),
)
_ASTRAY = NextStep(
    "backend",
    "WorldFM's backend cannot start: the Python that is named for it does not exist",
    (Button("worldfm.show_preferences", "Open Preferences...", "PREFERENCES"),),
)
_ENGINE = NextStep(
    "engine",
    "Choose WorldFM as this scene's render engine",
    (Button("worldfm.use_engine", "Use WorldFM", "SCENE"),),
)
_EMPTY = NextStep(
    "empty",
    "There is nothing to see here yet: begin with a photo or the demo, or add objects",
    (
        Button("worldfm.world_from_photo", "New World from Photo", "IMAGE_DATA"),
        Button("worldfm.open_demo", "Open Demo Scene", "SCENE_DATA"),
    ),
)
_SHADING = NextStep(
    "shading",
    "Switch this viewport to Rendered shading",
    (Button("worldfm.rendered_view", "Rendered", "SHADING_RENDERED"),),
)
_MEMORY = NextStep(
    "memory",
    "Frames look more like Cycles' own once it has rendered a few pictures of this scene: capture "
    "some as memory",
    (Button("worldfm.capture_dialog", "Capture Memory...", "RENDER_STILL"),),
)
_PATH = NextStep(
    "path",
    "Give the camera a path, or walk one yourself",
    (
        Button("worldfm.path_orbit", "Orbit", "CON_ROTLIKE"),
        Button("worldfm.record_walk", "Record Walk", "REC"),
    ),
)
_CAMERA = NextStep(
    "camera",
    "The selected camera has a path, and the scene's has none: render with it",
    (Button("worldfm.use_camera", "Use This Camera", "CAMERA_DATA"),),
)
_FILM = NextStep(
    "film",
    "Look at the path, then render it",
    (
        Button("worldfm.playblast", "Playblast", "PLAY"),
        Button("worldfm.render_path", "Render Animation", "RENDER_ANIMATION"),
    ),
)
STEPS = (_BACKEND, _ASTRAY, _ENGINE, _EMPTY, _SHADING, _MEMORY, _PATH, _CAMERA, _FILM)


def next_step(context: bpy.types.Context) -> NextStep | None:
    """The first thing that is not done; None when all of it is. Quick: it is drawn."""
    scene = context.scene
    if scene.render.engine != "WORLDFM":
        return _ENGINE
    if not can_start():
        return _ASTRAY if runtime.named_python() else _BACKEND
    if is_empty(scene):
        return _EMPTY
    space = context.space_data
    if space is not None and space.type == "VIEW_3D" and space.shading.type != "RENDERED":
        return _SHADING
    if not len(scene.worldfm.memory):
        return _MEMORY
    camera = scene.camera
    if camera is None or not moves(camera):
        chosen = context.view_layer.objects.active
        ready = chosen is not None and chosen.type == "CAMERA" and moves(chosen)
        return _CAMERA if ready else _PATH
    return None if len(scene.worldfm.history) else _FILM


def can_start() -> bool:
    """Whether a backend is up, or could be."""
    if runtime.client().state not in {BackendState.STOPPED, BackendState.FAILED}:
        return True
    try:
        runtime.backend_python()
    except BackendError:
        return False
    return True


def is_empty(scene: bpy.types.Scene) -> bool:
    """Whether nothing in the scene could be in a picture."""
    return not any(ob.type in SHOWN or ob.instance_collection for ob in scene.objects)
