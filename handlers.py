# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender events the extension listens to."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import runtime
from .scene_sync.textures import forget_textures


@persistent
def _after_load(*_: object) -> None:
    runtime.forget_scenes()


@persistent
def _before_render(*_: object) -> None:
    forget_textures()


def attach() -> None:
    """Start listening."""
    bpy.app.handlers.load_post.append(_after_load)
    bpy.app.handlers.render_init.append(_before_render)


def detach() -> None:
    """Stop listening."""
    bpy.app.handlers.render_init.remove(_before_render)
    bpy.app.handlers.load_post.remove(_after_load)
