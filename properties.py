# SPDX-License-Identifier: GPL-3.0-or-later
"""What of WorldFM is saved in a .blend: one group for scenes, for view layers, for objects."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from . import runtime
from .translations import CONTEXT


class WorldFMMemoryItem(bpy.types.PropertyGroup):
    """One memory frame: what stands in the list, and the packed images that hold it."""

    id: StringProperty(name="Content", options={"HIDDEN"})
    enabled: BoolProperty(name="Use", description="Let new frames look at this one", default=True)
    camera_json: StringProperty(name="Camera", options={"HIDDEN"})
    colour: PointerProperty(type=bpy.types.Image, name="Picture")
    radiance: PointerProperty(
        type=bpy.types.Image, name="Radiance", description="Half floats of a rendered picture"
    )
    depth: PointerProperty(type=bpy.types.Image, name="Depth")
    moment: PointerProperty(
        type=bpy.types.Image,
        name="Moment",
        description="What is known of the scene that this frame saw, as final renders have it",
    )
    moment_view: PointerProperty(
        type=bpy.types.Image,
        name="Viewport Moment",
        description="What is known of the scene that this frame saw, as viewports have it",
    )
    source: StringProperty(name="Source", description="Where this frame came from")
    estimated: BoolProperty(
        name="Estimated Depth",
        description="Its depth was told from this one picture, so that what lies beside it goes on",
        options={"HIDDEN"},
    )
    folder: StringProperty(
        name="Folder", description="World folder that holds this frame; empty = in this file"
    )


class WorldFMViewpoint(bpy.types.PropertyGroup):
    """A view stored from a viewport for a camera path to lead through."""

    matrix: FloatVectorProperty(name="Matrix", size=16, options={"HIDDEN"})
    lens: FloatProperty(name="Focal Length", unit="CAMERA", default=50.0)


class WorldFMHistoryItem(bpy.types.PropertyGroup):
    """The settings a frame was rendered with, and what it looked like."""

    frame: IntProperty(name="Frame")
    seed: IntProperty(name="Seed")
    steps: IntProperty(name="Steps")
    references: IntProperty(name="References")
    revision: StringProperty(name="World Revision")
    model: StringProperty(name="Model")
    when: StringProperty(name="Time")
    seconds: FloatProperty(name="Seconds")
    size: IntVectorProperty(name="Size", size=2)
    camera_json: StringProperty(name="Camera", options={"HIDDEN"})
    colour: PointerProperty(type=bpy.types.Image, name="Picture")
    depth: PointerProperty(type=bpy.types.Image, name="Depth")


class WorldFMSceneSettings(bpy.types.PropertyGroup):
    """Settings of one scene."""

    format: IntProperty(name="Format", options={"HIDDEN"})
    steps: IntProperty(
        name="Render Steps",
        description="Passes of the model over each final frame: 2 is finer and takes twice as long",
        default=2,
        min=1,
        soft_max=2,
        max=64,
    )
    preview_steps: IntProperty(
        name="Viewport Steps",
        description="Passes of the model over a viewport frame once the view stands still",
        default=1,
        min=1,
        soft_max=2,
        max=64,
    )
    seed: IntProperty(
        name="Seed",
        description="Decides what is invented where nothing is known; same seed, same frame",
        default=0,
        min=0,
    )
    references: IntProperty(
        name="References",
        description="Most memory frames the model looks at for one new frame",
        default=4,
        min=0,
        max=8,
    )
    model: StringProperty(
        name="Model",
        description="Name of an installed model or path to one; 'embedded' ships with WorldFM",
        default="embedded",
        subtype="FILE_PATH",
        update=runtime.mend,
    )
    use_adapted: BoolProperty(
        name="Adapted Model",
        description="Use the model that was adapted to this scene's world instead of the one above",
        default=False,
        update=runtime.mend,
    )
    point_budget: IntProperty(
        name="Anchor Points",
        description="Most surface points the scene is turned into; more show finer detail",
        default=2_000_000,
        min=10_000,
        max=20_000_000,
        step=100_000,
    )
    fps_cap: IntProperty(
        name="Frame Rate Limit",
        description="Most frames a second that the viewport asks for",
        default=24,
        min=1,
        max=120,
    )
    preview_size: EnumProperty(
        name="Viewport Size",
        description="Longest side of frames of a moving view, and of the first one once it rests: "
        "what follows has the pixels of the screen",
        items=(
            ("256", "256 px", "Fast"),
            ("512", "512 px", "Balanced"),
            ("1024", "1024 px", "Fine"),
            ("FULL", "Region", "As many pixels as the viewport has"),
        ),
        default="512",
        translation_context=CONTEXT,
    )
    preview_mode: EnumProperty(
        name="Preview",
        description="What viewport frames of a scene's surfaces are made with",
        items=(
            ("full", "Full", "Light, memory and the model"),
            ("lit", "Lit and Memory", "Without the model: quicker"),
            ("anchors", "Lit", "What light alone gives, without memory"),
        ),
        default="full",
    )
    show_statistics: BoolProperty(
        name="Statistics",
        description="Show frames a second, latency and coverage in the viewport",
        default=False,
    )
    memory: CollectionProperty(type=WorldFMMemoryItem)
    memory_index: IntProperty(name="Active Memory Frame", options={"HIDDEN"})
    path_coverage: StringProperty(
        name="Path Coverage",
        description="Frames of the path and the share of each that memory saw",
        options={"HIDDEN"},
    )
    newest_world: StringProperty(
        name="Newest World",
        description="Points object of the world that came in last",
        options={"HIDDEN"},
    )
    viewpoints: CollectionProperty(type=WorldFMViewpoint)
    viewpoint_index: IntProperty(name="Active Viewpoint", options={"HIDDEN"})
    history: CollectionProperty(type=WorldFMHistoryItem)
    history_index: IntProperty(name="Active Render", options={"HIDDEN"})


class WorldFMViewLayerSettings(bpy.types.PropertyGroup):
    """Passes of one view layer. Depth is Blender's own Z switch."""

    use_pass_anchor: BoolProperty(
        name="Anchor",
        description="What the anchor points alone look like; alpha is where they were seen",
        default=False,
    )
    use_pass_coverage: BoolProperty(
        name="Coverage",
        description="How well anchors or memory saw each pixel, from 0 to 1",
        default=False,
    )
    use_pass_alpha: BoolProperty(
        name="Alpha",
        description="How much of each pixel is covered, where the film is transparent",
        default=False,
    )
    use_pass_confidence: BoolProperty(
        name="Confidence",
        description="1 where a memory frame saw the surface, 0 where it is lit or invented",
        default=False,
    )
    use_pass_memory: BoolProperty(
        name="Memory",
        translation_context=CONTEXT,
        description="Number of the memory frame that a pixel is from; 0 = none",
        default=False,
    )
    use_pass_lit: BoolProperty(
        name="Lit",
        description="What light alone gives, before memory and the model",
        default=False,
    )
    use_pass_base_colour: BoolProperty(
        name="Base Colour", description="Surfaces without any light", default=False
    )
    use_pass_normal: BoolProperty(
        name="Normal", description="Which way surfaces face, in world space", default=False
    )


class WorldFMBakedValue(bpy.types.PropertyGroup):
    """A value that only Blender evaluates, as a picture."""

    key: StringProperty(name="Content", options={"HIDDEN"})
    image: PointerProperty(type=bpy.types.Image, options={"HIDDEN"})


class WorldFMBake(bpy.types.PropertyGroup):
    """What was baked of an object in one shape: viewports and renders may show another.

    uv: the image that holds where its triangles lie in the pictures.
    """

    topology: StringProperty(name="Topology", options={"HIDDEN"})
    shape: StringProperty(name="Shape", options={"HIDDEN"})
    uv: PointerProperty(type=bpy.types.Image, options={"HIDDEN"})
    values: CollectionProperty(type=WorldFMBakedValue)


class WorldFMObjectSettings(bpy.types.PropertyGroup):
    """What is kept with an object."""

    bakes: CollectionProperty(type=WorldFMBake)


CLASSES = (
    WorldFMMemoryItem,
    WorldFMViewpoint,
    WorldFMHistoryItem,
    WorldFMSceneSettings,
    WorldFMViewLayerSettings,
    WorldFMBakedValue,
    WorldFMBake,
    WorldFMObjectSettings,
)


def attach() -> None:
    """Put the groups where users find them."""
    bpy.types.Scene.worldfm = PointerProperty(type=WorldFMSceneSettings)
    bpy.types.ViewLayer.worldfm = PointerProperty(type=WorldFMViewLayerSettings)
    bpy.types.Object.worldfm = PointerProperty(type=WorldFMObjectSettings)


def detach() -> None:
    """Take them away again; what is saved in files stays there."""
    del bpy.types.Object.worldfm
    del bpy.types.ViewLayer.worldfm
    del bpy.types.Scene.worldfm
