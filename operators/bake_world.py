# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as what other renderers know: splats, meshes, a 360-degree picture, a COLMAP model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from ..backend.shared.camera_path import write_camera_path
from ..backend.shared.harmonics import SH_C0
from ..backend.shared.world import World
from ..scene_sync.anchor_points import NATIVE
from ..scene_sync.cameras import render_camera, scene_camera
from .export import ExportToFile, ExportToFolder, memory_of, with_memory, with_points

NATIVE_SPLATS = (5, 3)
"""The first Blender whose point clouds can be splats."""


class WORLDFM_OT_bake_splats(ExportToFile, bpy.types.Operator):
    """Write the world as 3D Gaussian splats, which render without WorldFM"""

    bl_idname = "worldfm.bake_splats"
    bl_label = "Bake World to Splats"
    bl_options = {"REGISTER", "UNDO"}

    target, ending = "--splats", ".ply"
    filepath: StringProperty(name="File", default="splats.ply", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.ply", options={"HIDDEN"})
    add: BoolProperty(
        name="Add to Scene",
        description="Also add them as an object for Cycles and EEVEE, from Blender 5.3 on",
        default=True,
    )
    lit: BoolProperty(
        name="Lit by the Scene",
        description="Let lamps light them and other objects throw shadows on them; otherwise they "
        "glow as remembered",
        default=False,
    )

    def wanted(self, world: World) -> World:
        """Points, and memory for their normals."""
        return with_points(world)

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """The file, and the object where Blender has such."""
        super().finish(context, folder, result)
        if self.add and bpy.app.version >= NATIVE_SPLATS:
            scale = 1 / context.scene.unit_settings.scale_length
            before = set(bpy.data.pointclouds)
            bpy.ops.wm.ply_import(
                filepath=str(self.file()),
                forward_axis="Z",
                up_axis="NEGATIVE_Y",
                global_scale=scale,
            )
            if self.lit:
                material = lit_splats()
                for cloud in set(bpy.data.pointclouds) - before:
                    cloud.materials.append(material)


def lit_splats() -> bpy.types.Material:
    """A new diffuse material in the colours of Blender's own splats."""
    material = bpy.data.materials.new("WorldFM Lit Splats")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    base, color, light, diffuse, output = map(
        tree.nodes.new,
        ("ShaderNodeAttribute", "ShaderNodeVectorMath", "ShaderNodeGamma",
         "ShaderNodeBsdfDiffuse", "ShaderNodeOutputMaterial"),
    )  # fmt: skip
    base.attribute_name = NATIVE
    color.operation = "MULTIPLY_ADD"
    color.inputs[1].default_value = (SH_C0,) * 3
    color.inputs[2].default_value = (0.5,) * 3
    light.inputs["Gamma"].default_value = 2.2
    for start, end in (
        (base.outputs["Vector"], color.inputs[0]),
        (color.outputs[0], light.inputs["Color"]),
        (light.outputs[0], diffuse.inputs["Color"]),
        (diffuse.outputs[0], output.inputs["Surface"]),
    ):
        tree.links.new(start, end)
    return material


class WORLDFM_OT_bake_mesh(ExportToFile, bpy.types.Operator):
    """Write what memory saw as textured meshes, with one to collide with, as glTF"""

    bl_idname = "worldfm.bake_mesh"
    bl_label = "Bake World to Mesh"

    target, ending = "--mesh", ".glb"
    filepath: StringProperty(name="File", default="world.glb", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.glb", options={"HIDDEN"})

    def wanted(self, world: World) -> World:
        """The memory."""
        return memory_of(world)


class WORLDFM_OT_bake_environment(ExportToFile, bpy.types.Operator):
    """Write what is around the camera as a 360-degree HDR picture, and light the scene by it"""

    bl_idname = "worldfm.bake_environment"
    bl_label = "World to Environment"
    bl_options = {"REGISTER", "UNDO"}

    target, ending = "--environment", ".hdr"
    filepath: StringProperty(name="File", default="environment.hdr", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.hdr", options={"HIDDEN"})
    use: BoolProperty(
        name="Use as World",
        description="Make a new World of it for this scene; the old one stays in the file",
        default=True,
    )

    def wanted(self, world: World) -> World:
        """Points and memory."""
        return with_memory(world)

    def more(self, context: bpy.types.Context, folder: Path) -> list[str]:
        """The active camera's place, where there is one."""
        scene = context.scene
        if scene.camera is None:
            return []
        evaluated = scene_camera(scene).evaluated_get(context.evaluated_depsgraph_get())
        write_camera_path(folder / "place.json", [render_camera(evaluated, scene)])
        return ["--cameras", str(folder / "place.json")]

    def finish(self, context: bpy.types.Context, folder: Path, result: dict[str, Any]) -> None:
        """The file, and a World that shows it."""
        super().finish(context, folder, result)
        if self.use:
            context.scene.world = environment_world(self.file())


class WORLDFM_OT_export_colmap(ExportToFolder, bpy.types.Operator):
    """Write the memory frames as a COLMAP model with pictures, for trainers of splats"""

    bl_idname = "worldfm.export_colmap"
    bl_label = "Export COLMAP Model"

    target = "--colmap"
    directory: StringProperty(name="Folder", default="//colmap", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def wanted(self, world: World) -> World:
        """Memory, and the points as the model's."""
        return with_memory(world)


def environment_world(path: Path) -> bpy.types.World:
    """A new World that is lit by a 360-degree picture."""
    world = bpy.data.worlds.new(path.stem)
    if not world.node_tree:
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    picture = nodes.new("ShaderNodeTexEnvironment")
    picture.image = bpy.data.images.load(str(path), check_existing=True)
    picture.image.reload()
    light, out = nodes.new("ShaderNodeBackground"), nodes.new("ShaderNodeOutputWorld")
    links.new(picture.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs["Background"], out.inputs["Surface"])
    return world


CLASSES = (
    WORLDFM_OT_bake_splats,
    WORLDFM_OT_bake_mesh,
    WORLDFM_OT_bake_environment,
    WORLDFM_OT_export_colmap,
)
