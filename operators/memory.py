# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames: capture them from the scene, add pictures, remove them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..backend.shared.camera import Camera
from ..backend.shared.errors import CameraError, InputError
from ..scene_sync.animation import fcurves_of, is_predictable, moves
from ..scene_sync.cameras import render_camera, scene_camera, viewport_camera
from ..scene_sync.capture import ENGINES, Shot, can_denoise, source_of
from ..scene_sync.gaps import Gaps, find_gaps, sized
from ..scene_sync.memory import store_frame
from ..scene_sync.pictures import depth_seen_from, load_picture
from .capture_work import (
    CaptureSettings,
    can_capture_in_background,
    capture_here,
    capture_in_background,
)
from .file_choice import ChoosesFile
from .reports import reports_errors, warn_once
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


SOURCES = (
    ("PATH", "Camera Path", "At frames of the camera's animation; a still camera once", 0),
    ("CAMERA", "Camera", "From the camera, at this frame", 1),
    ("VIEW", "This Viewport", "From where this viewport looks", 2),
    ("GAPS", "Fill the Gaps", "Where the path shows what no memory frame saw", 3),
)


def stands_still(scene: bpy.types.Scene, ob: bpy.types.Object) -> bool:
    """Whether a camera shows the scene from one place through one lens at all frames."""
    cut = any(marker.camera for marker in scene.timeline_markers)
    constrained = any(constraint.enabled for constraint in ob.constraints)
    return not cut and not constrained and is_predictable(ob) and not moves(ob) and not fcurves_of(
        ob.data
    )  # fmt: skip


class _CaptureSettings:
    """What a capture is asked; the dialog and the capture itself have it."""

    engine: EnumProperty(name="Engine", items=ENGINES, default="CYCLES")
    source: EnumProperty(name="From", items=SOURCES, default="PATH")
    frames: StringProperty(
        name="Frames",
        description="Frames to capture, such as 1, 8, 20-40:5; empty = evenly spread",
    )
    count: IntProperty(
        name="Count",
        description="How many evenly spread frames, or how many to fill gaps with at most",
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
    aim: FloatProperty(
        name="Until Seen",
        description="Share of what the path shows that memory is to have seen",
        default=98.0,
        min=1.0,
        max=100.0,
        subtype="PERCENTAGE",
    )
    beside: BoolProperty(
        name="In a Background Blender",
        description="Render in a second Blender without a window, so that this one stays usable",
        default=True,
    )


class WORLDFM_OT_capture_memory(_CaptureSettings, StepOperator, bpy.types.Operator):
    """Render the scene from some views and keep the pictures as memory"""

    bl_idname = "worldfm.capture_memory"
    bl_label = "Capture Memory"
    bl_options = {"REGISTER", "UNDO"}

    stopped = "Capture stopped; the frames captured so far are kept."
    keeps = True
    seconds = 0.05

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In a scene."""
        return context.scene is not None

    @property
    def shares(self) -> bool:
        """Whether Blender can be used meanwhile: where another one renders."""
        return self._outside

    _outside = False

    def steps(self, context: bpy.types.Context) -> Generator[Step]:
        """What to capture, then one picture after the other."""
        scene = context.scene
        shots: list[Shot] = []
        yield from self._plan(context, shots)
        if not shots:
            return
        self._outside = self.watched and self.beside and can_capture_in_background(self.engine)
        if self.engine == "CYCLES" and not can_denoise(scene):
            self.report(
                {"WARNING"},
                "This Blender has no denoiser: raise Samples if the memory frames are noisy.",
            )
        name, layer = scene.name, context.view_layer.name
        settings = CaptureSettings(self.engine, self.samples, self.percentage, layer)
        capture = capture_in_background if self._outside else capture_here
        pictures = capture(scene, settings, shots)
        said: set[str] = set()
        done = 0
        yield Step(f"Rendering 1 of {len(shots)} memory frames", 0.0)
        with closing(pictures):
            for picture in pictures:
                if picture is None:  # still at it
                    yield Step(f"Rendering {done + 1} of {len(shots)} memory frames")
                    continue
                index, made = picture
                scene = bpy.data.scenes[name]
                item = store_frame(scene, shots[index].name, *made)
                warn_once(self, made.moments.problems, said)
                item.source = source_of(self.engine, shots[index].frame)
                done += 1
                yield Step(f"Captured {done} of {len(shots)} memory frames", done / len(shots))

    def _plan(self, context: bpy.types.Context, shots: list[Shot]) -> Iterator[Step]:
        """Puts what is to be captured into `shots`. Raises WorldFMError."""
        scene = context.scene
        if self.source == "VIEW":
            camera = view_camera(context)
            name = f"View {1 + sum(item.name.startswith('View') for item in scene.worldfm.memory)}"
            shots.append(Shot(name, scene.frame_current, sized(camera, self.percentage)))
            return
        ob = scene_camera(scene)
        if self.source == "GAPS":
            yield from self._gaps(scene, shots)
            return
        if self.frames:
            frames = parse_frames(self.frames)
        elif self.source == "CAMERA" or stands_still(scene, ob):
            frames = [scene.frame_current]
        else:
            frames = spread_frames(scene, self.count)
        shots += [Shot(f"{ob.name} {frame}", frame) for frame in frames]

    def _gaps(self, scene: bpy.types.Scene, shots: list[Shot]) -> Iterator[Step]:
        frame, subframe = scene.frame_current, scene.frame_subframe
        gaps: Gaps | None = None
        try:
            for found in find_gaps(scene, self.aim / 100, self.count):
                if isinstance(found, float):
                    yield Step("Looking for what the path shows", found)
                else:
                    gaps = found
        finally:
            scene.frame_set(frame, subframe=subframe)
        assert gaps is not None, "they come last"
        scene.worldfm.path_coverage = gaps.to_json()
        taken = len(scene.worldfm.memory)
        for i, (at, camera) in enumerate(gaps.cameras, taken + 1):
            shots.append(Shot(f"Gap {i}", at, sized(camera, self.percentage)))
        text = f"Memory saw {100 * gaps.before:.0f} % of what the path shows"
        if shots:
            text += f", and {100 * gaps.after:.0f} % with {len(shots)} more"
        self.report({"INFO"}, f"{text}.")


class WORLDFM_OT_capture_dialog(_CaptureSettings, bpy.types.Operator):
    """Choose how the scene is captured as memory; nothing is rendered before"""

    bl_idname = "worldfm.capture_dialog"
    bl_label = "Capture Memory"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first."""
        if context.scene.camera is None:
            self.source = "VIEW"
        return context.window_manager.invoke_props_dialog(self, width=360, confirm_text="Capture")

    def draw(self, context: bpy.types.Context) -> None:
        """Where from, with what, how many and how large."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "source")
        layout.prop(self, "engine")
        if self.engine != "BLENDER_WORKBENCH":
            layout.prop(self, "samples")
        layout.prop(self, "percentage")
        if self.source == "PATH":
            layout.prop(self, "frames")
        if self.source == "GAPS":
            layout.prop(self, "aim")
        if self.source == "GAPS" or (self.source == "PATH" and not self.frames):
            layout.prop(self, "count")
        if can_capture_in_background(self.engine):
            layout.prop(self, "beside")
        else:
            layout.label(text="Blender waits while each picture is rendered", icon="INFO")
        layout.label(text=self._amount(context), icon="RENDER_STILL", translate=False)

    def _amount(self, context: bpy.types.Context) -> str:
        """How many pictures of what size."""
        scene, render = context.scene, context.scene.render
        size = [
            side * render.resolution_percentage // 100 * self.percentage // 100
            for side in (render.resolution_x, render.resolution_y)
        ]
        many = 1
        if self.source == "GAPS":
            many = self.count
        elif self.source == "PATH" and scene.camera is not None:
            try:
                many = len(parse_frames(self.frames)) if self.frames else self.count
            except InputError:
                return iface_("The frames cannot be read")
            if not self.frames and stands_still(scene, scene.camera):
                many = 1
        most = iface_("at most") + " " if self.source == "GAPS" else ""
        return f"{most}{many} x {size[0]} x {size[1]} px"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The capture, which Esc stops."""
        names = ("engine", "source", "frames", "count", "samples", "percentage", "aim", "beside")
        chosen = {name: getattr(self, name) for name in names}
        return bpy.ops.worldfm.capture_memory("INVOKE_DEFAULT", **chosen)


def view_camera(context: bpy.types.Context) -> Camera:
    """What this viewport looks at, as large as the scene's pictures. Raises CameraError."""
    area = context.area
    if area is None or area.type != "VIEW_3D":
        raise CameraError("There is no 3D viewport here to look from; press it in a viewport.")
    region = next(region for region in area.regions if region.type == "WINDOW")
    view = area.spaces.active.region_3d
    scale = context.scene.unit_settings.scale_length
    through = viewport_camera(
        view.window_matrix, view.view_matrix, region.width, region.height, scale
    )
    render = context.scene.render
    longest = max(render.resolution_x, render.resolution_y) * render.resolution_percentage / 100
    factor = longest / max(region.width, region.height)
    size = (max(8, round(side * factor)) for side in (region.width, region.height))
    return through.resized(*size)


class WORLDFM_OT_add_memory_image(ChoosesFile, bpy.types.Operator):
    """Keep an image file as what a camera sees; its depth comes from the scene's geometry"""

    bl_idname = "worldfm.add_memory_image"
    bl_label = "Add Memory Image"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Image", subtype="FILE_PATH")
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
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

    every: BoolProperty(name="All", description="Remove all memory frames")

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


CLASSES = (
    WORLDFM_OT_capture_memory,
    WORLDFM_OT_capture_dialog,
    WORLDFM_OT_add_memory_image,
    WORLDFM_OT_remove_memory,
)
