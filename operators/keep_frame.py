# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep This Frame: what was generated becomes part of the world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import EnumProperty, StringProperty

from .. import runtime
from ..backend.shared.anchors import Anchors
from ..backend.shared.arrays import read_npz
from ..backend.shared.errors import InputError
from ..backend.shared.frame import FrameReply
from ..backend.shared.moment import Moment
from ..backend.shared.reading import as_sentence
from ..backend.shared.scene import Scene
from ..scene_sync.anchor_points import store_anchors
from ..scene_sync.deforming import deforms
from ..scene_sync.memory import read_frames, store_frame
from ..scene_sync.moments import NONE, Moments, encode_moment
from .build_process import CommandOperator
from .world_io import DEPTHS


def _moments_of(scene: Scene | None, final: bool) -> Moments:
    """What the frame keeps of the scene that it shows; viewports and renders may differ in it."""
    if scene is None:
        return NONE
    objects = ((one.key, bpy.data.objects.get(one.object)) for one in scene.instances)
    bending = {key for key, ob in objects if ob is not None and deforms(ob)}
    data = encode_moment(Moment.of(scene, bending, sky_known=final))
    return Moments(render=data) if final else Moments(view=data)


class WORLDFM_OT_keep_frame(CommandOperator, bpy.types.Operator):
    """Make the frame that is shown part of the world: its new surfaces become points and memory"""

    bl_idname = "worldfm.keep_frame"
    bl_label = "Keep This Frame"
    bl_options = {"REGISTER", "UNDO"}

    label: StringProperty(name="Name", default="Kept")
    depth: EnumProperty(name="Depth", items=DEPTHS, default="embedded")

    _reply: FrameReply | None = None
    _moments: Moments = NONE

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Once a frame was generated."""
        cls.poll_message_set("No frame was generated yet; render one or use Rendered shading")
        return runtime.latest_frame() is not None

    def begin(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """Hands the frame and what memory saw to the backend."""
        reply = runtime.latest_frame()
        if reply is None:
            raise InputError("No frame was generated yet; render one or use Rendered shading.")
        if reply.request.blurs:
            raise InputError(
                "This frame is blurred as its lens or shutter sees it; turn off the camera's Depth "
                "of Field and Motion Blur, and keep a sharp one."
            )
        self._reply, self._moments = reply, _moments_of(*runtime.latest_scene())
        arrays: dict[str, Any] = {
            "rgb": reply.rgb,
            "known": reply.depth,
            "camera": np.array(json.dumps(reply.request.camera.to_json())),
        }
        seen = [f for f in read_frames(context.scene)[0] if f.depth is not None]
        for i, frame in enumerate(seen):
            arrays[f"depth{i}"] = np.asarray(frame.depth)
            arrays[f"camera{i}"] = np.array(json.dumps(frame.camera.to_json()))
        np.savez(folder / "frame.npz", **arrays)
        return ["world", "complete", str(folder / "frame.npz"), "-o", str(folder / "grown.npz"),
                "--depth", self.depth]  # fmt: skip

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """New points as an object, the frame as memory; one undo step."""
        with as_sentence(
            lambda why: InputError(f"What came of the frame is damaged ({why}); keep it again.")
        ):
            grown = read_npz(folder / "grown.npz")
            anchors = Anchors(grown["xyz"], grown["rgb"], grown["radius"])
            depth = grown["depth"]
        scene, reply = context.scene, self._reply
        assert reply is not None, "begin() kept it"
        count = len(scene.worldfm.memory)
        item = store_frame(
            scene,
            f"{self.label} {count + 1}",
            reply.request.camera,
            reply.picture,
            depth,
            self._moments,
        )
        if len(scene.worldfm.memory) == count:
            self.report({"INFO"}, "This frame is in the world already.")
            return
        item.source = f"Kept, {reply.model_name}, seed {reply.request.seed}"
        if len(anchors):
            name = f"{item.name} Points"
            store_anchors(name, anchors, scene.collection, scene.unit_settings.scale_length)
        self.report({"INFO"}, f"The frame was kept: {len(anchors)} new points.")


CLASSES = (WORLDFM_OT_keep_frame,)
