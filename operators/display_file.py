# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames as files that look as on screen: through a scene's view transform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np

from ..backend.shared.frame import FrameReply
from ..display import color_rgba

_NAME = ".WorldFM Display"


@contextmanager
def display_files(scene: bpy.types.Scene) -> Iterator[Callable[[FrameReply, Path], None]]:
    """Gives what writes a frame as a PNG file, as `scene` displays it; leaves nothing behind.

    A scene of its own says how files are written, so that the user's keeps its output settings.
    """
    look = bpy.data.scenes.new(_NAME)
    images: list[bpy.types.Image] = []
    try:
        _same_display(scene, look)
        settings = look.render.image_settings
        if hasattr(settings, "media_type"):
            settings.media_type = "IMAGE"
        settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGB", "8"

        def write(reply: FrameReply, path: Path) -> None:
            rgba = color_rgba(reply)
            height, width = rgba.shape[:2]
            if not images or tuple(images[0].size) != (width, height):
                _forget(images)
                images.append(bpy.data.images.new(_NAME, width, height, float_buffer=True))
            images[0].pixels.foreach_set(np.ascontiguousarray(rgba).reshape(-1))
            images[0].save_render(str(path), scene=look)

        yield write
    finally:
        _forget(images)
        bpy.data.scenes.remove(look)


def _forget(images: list[bpy.types.Image]) -> None:
    while images:
        bpy.data.images.remove(images.pop())


def _same_display(scene: bpy.types.Scene, other: bpy.types.Scene) -> None:
    """The display device and the view transform of one scene for another."""
    other.display_settings.display_device = scene.display_settings.display_device
    mine, theirs = scene.view_settings, other.view_settings
    theirs.view_transform = mine.view_transform
    for one in mine.bl_rna.properties:
        if not one.is_readonly and one.type != "POINTER":
            setattr(theirs, one.identifier, getattr(mine, one.identifier))
