# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames: capture them from the scene, add pictures, remove them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ..backend.shared.errors import InputError
from ..scene_sync.cameras import render_camera, scene_camera
from ..scene_sync.capture import (
    ENGINES,
    can_denoise,
    capture_frame,
    engine_name,
    private_scene,
)
from ..scene_sync.memory import store_frame
from ..scene_sync.pictures import depth_seen_from, load_picture
from .file_choice import ChoosesFile
from .reports import reports_errors
from .steps import Step, StepOperator


def parse_frames(text: str) -> list[int]:
    """Frame numbers of a text such as "1, 8, 20-40:5", sorted. Raises InputError."""
    frames: set[int] = set()
    try:
        for part in text.replace(",", " ").split():
            span, _, step = part.partition(":")
            first, dash, last = span[1:].partition("-")
            begin = int(span[:1] + first)
            frames.update(range(begin, (int(last) if dash else begin) + 1, int(step or 1)))
    except ValueError as error:
        raise InputError(
            f"'{text}' is not a list of frames; write numbers and ranges, such as 1, 8, 20-40:5."
        ) from error
    if not frames:
        raise InputError("No frames are named; write numbers and ranges, such as 1, 8, 20-40:5.")
    return sorted(frames)


def spread_frames(scene: bpy.types.Scene, count: int) -> list[int]:
    """`count` frames from the first to the last of the scene, evenly spread."""
    first, last = scene.frame_start, scene.frame_end
    steps = max(count - 1, 1)
    return sorted({round(first + (last - first) * i / steps) for i in range(count)})


class WORLDFM_OT_capture_memory(StepOperator, bpy.types.Operator):
    """Render the scene at frames of the camera's path and keep the pictures as memory"""

    bl_idname = "worldfm.capture_memory"
    bl_label = "Capture Memory"
    bl_options = {"REGISTER", "UNDO"}

    engine: EnumProperty(name="Engine", items=ENGINES, default="CYCLES")
    frames: StringProperty(
        name="Frames",
        description="Frames to capture, such as 1, 8, 20-40:5; empty = evenly spread",
    )
    count: IntProperty(
        name="Count",
        description="How many evenly spread frames, when none are named",
        default=6,
        min=1,
        max=64,
    )
    samples: IntProperty(
        name="Samples", description="Samples of every pixel", default=64, min=1, max=4096
    )
    percentage: IntProperty(
        name="Size",
        description="Size of memory frames against rendered frames",
        default=100,
        min=10,
        max=200,
        subtype="PERCENTAGE",
    )

    stopped = "Capture stopped; the frames captured so far are kept."
    keeps = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Nothing to capture without a camera."""
        cls.poll_message_set("The scene has no active camera")
        return context.scene is not None and context.scene.camera is not None

    def steps(self, context: bpy.types.Context) -> Iterator[Step]:
        """One frame after the other."""
        scene = context.scene
        frames = parse_frames(self.frames) if self.frames else spread_frames(scene, self.count)
        camera_name = scene_camera(scene).name
        copying: AbstractContextManager[bpy.types.Scene] = private_scene(
            scene, self.engine, self.samples, self.percentage
        )
        with copying as copy:
            if self.engine == "CYCLES" and not can_denoise(copy):
                self.report(
                    {"WARNING"},
                    "This Blender has no denoiser: raise Samples if the memory frames are noisy.",
                )
            for done, frame in enumerate(frames, 1):
                camera, radiance, depth = capture_frame(copy, frame)
                item = store_frame(scene, f"{camera_name} {frame}", camera, radiance, depth)
                item.source = f"{engine_name(self.engine)}, frame {frame}"
                text = f"Captured {done} of {len(frames)} memory frames"
                yield Step(text, done / len(frames))


class WORLDFM_OT_add_memory_image(ChoosesFile, bpy.types.Operator):
    """Keep an image file as what a camera sees; its depth comes from the scene's geometry"""

    bl_idname = "worldfm.add_memory_image"
    bl_label = "Add Memory Image"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Image", subtype="FILE_PATH")
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    camera: StringProperty(
        name="Camera", description="Camera the image belongs to; empty = the active one"
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the image, find its depth, keep both."""
        scene = context.scene
        if self.camera and self.camera not in scene.objects:
            raise InputError(f"There is no camera named '{self.camera}' in this scene; choose one.")
        ob = scene.objects[self.camera] if self.camera else scene_camera(scene)
        depsgraph = context.evaluated_depsgraph_get()
        whole = render_camera(ob.evaluated_get(depsgraph), scene, use_border=False)
        path = Path(bpy.path.abspath(self.filepath))
        rgb = load_picture(path, whole.width / whole.height)
        camera = whole.resized(rgb.shape[1], rgb.shape[0])
        depth = depth_seen_from(depsgraph, camera)
        item = store_frame(scene, path.stem, camera, rgb, depth)
        item.source = path.name
        return {"FINISHED"}

    def draw(self, context: bpy.types.Context) -> None:
        """The file browser's side bar."""
        self.layout.prop_search(self, "camera", context.scene, "objects")


class WORLDFM_OT_remove_memory(bpy.types.Operator):
    """Remove the chosen memory frame"""

    bl_idname = "worldfm.remove_memory"
    bl_label = "Remove Memory Frame"
    bl_options = {"REGISTER", "UNDO"}

    every: bpy.props.BoolProperty(name="All", description="Remove all memory frames")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with something to remove."""
        return len(context.scene.worldfm.memory) > 0

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Images without another user go when the file is saved."""
        settings = context.scene.worldfm
        if self.every:
            settings.memory.clear()
        else:
            settings.memory.remove(settings.memory_index)
        settings.memory_index = max(0, min(settings.memory_index, len(settings.memory) - 1))
        return {"FINISHED"}


CLASSES = (WORLDFM_OT_capture_memory, WORLDFM_OT_add_memory_image, WORLDFM_OT_remove_memory)
