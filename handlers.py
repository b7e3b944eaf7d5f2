# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender events the extension listens to."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import file_version, final_render, memory_states, runtime
from .scene_sync import save_elsewhere
from .scene_sync.textures import forget_textures
from .viewport import solid_points, views


@persistent
def _after_load(*_: object) -> None:
    views.forget_all()
    runtime.forget_scenes()
    memory_states.forget()
    solid_points.forget()


@persistent
def _after_undo(*_: object) -> None:
    views.forget_meshes()
    memory_states.note_changes()
    solid_points.forget()


@persistent
def _after_update(_: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    if depsgraph.mode == "VIEWPORT":
        memory_states.note_changes(depsgraph)
        solid_points.forget(depsgraph)


@persistent
def _before_render(*_: object) -> None:
    forget_textures()
    final_render.begin_job()


@persistent
def _before_save(target: str, *_: object) -> None:
    file_version.stamp()
    save_elsewhere.before_save(target)


@persistent
def _after_save(*_: object) -> None:
    save_elsewhere.after_save()


_LISTENERS = {
    "save_pre": _before_save,
    "save_post": _after_save,
    "save_post_fail": _after_save,
    "load_post": _after_load,
    "undo_post": _after_undo,
    "redo_post": _after_undo,
    "render_init": _before_render,
    "depsgraph_update_post": _after_update,
    "frame_change_post": _after_update,
}


def attach() -> None:
    """Start listening."""
    for name, listener in _LISTENERS.items():
        getattr(bpy.app.handlers, name).append(listener)


def detach() -> None:
    """Stop listening."""
    for name, listener in _LISTENERS.items():
        getattr(bpy.app.handlers, name).remove(listener)
    memory_states.stop()
