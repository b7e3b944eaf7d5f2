# SPDX-License-Identifier: GPL-3.0-or-later
"""Live Image: an Image datablock that always shows the newest frame."""

from __future__ import annotations

import bpy
import numpy as np

from .. import runtime
from ..backend.shared.frame import FrameReply

NAME = "WorldFM Live"
SECONDS = 0.1

_shown: FrameReply | None = None


def write_image(image: bpy.types.Image, rgb: np.ndarray) -> None:
    """Put (H, W, 3) uint8 sRGB into an image, its size with it."""
    height, width = rgb.shape[:2]
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = rgb[::-1] / np.float32(255)
    image.pixels.foreach_set(rgba.ravel())
    image.update()


def refresh() -> bool:
    """Take the newest frame over; whether there was a new one."""
    global _shown
    reply, image = runtime.latest_frame(), bpy.data.images.get(NAME)
    if reply is None or image is None or reply is _shown:
        return False
    _shown = reply
    write_image(image, reply.rgb)
    return True


def stop() -> bool:
    """No longer follow, as on unregister; whether it was followed."""
    if not bpy.app.timers.is_registered(_tick):
        return False
    bpy.app.timers.unregister(_tick)
    return True


def _tick() -> float | None:
    if bpy.data.images.get(NAME) is None:  # deleted, or another file: the end of it
        return None
    refresh()
    return SECONDS


class WORLDFM_OT_live_image(bpy.types.Operator):
    """Keep the image 'WorldFM Live' up to date with the newest frame, for materials and more"""

    bl_idname = "worldfm.live_image"
    bl_label = "Live Image"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Makes the image, or ends following where it is followed already."""
        global _shown
        if stop():
            self.report({"INFO"}, f"'{NAME}' is no longer updated; it keeps its last frame.")
            return {"FINISHED"}
        image = bpy.data.images.get(NAME)
        if image is None:
            image = bpy.data.images.new(NAME, 16, 16)
            image.use_fake_user = True
        _shown = None
        refresh()
        bpy.app.timers.register(_tick, first_interval=SECONDS)
        self.report({"INFO"}, f"The image '{NAME}' follows the newest frame.")
        return {"FINISHED"}


CLASSES = (WORLDFM_OT_live_image,)
