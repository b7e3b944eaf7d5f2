# SPDX-License-Identifier: GPL-3.0-or-later
"""Project to Geometry: memory frames onto the textures of meshes, for use without WorldFM."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import bpy
import numpy as np
from bpy.props import BoolProperty, IntProperty

from ..backend.shared.errors import InputError
from ..backend.shared.frame import MemoryFrame
from ..backend.shared.texture_bake import Texels, bake, fill_seams, polygon_atlas, rasterise
from ..scene_sync.geometry import Surface, read_mesh
from ..scene_sync.import_world import photo_material
from ..scene_sync.materials import base_color_of, colours_of
from ..scene_sync.memory import read_frames
from ..scene_sync.sampling import Samples
from .steps import Step, StepOperator

UV_NAME = "WorldFM"
BEFORE = "WorldFM Material Before"
"""Attribute of faces: the material slot they used before a projection."""


class WORLDFM_OT_project_to_geometry(StepOperator, bpy.types.Operator):
    """Bake what the memory frames saw onto the textures of the selected meshes"""

    bl_idname = "worldfm.project_to_geometry"
    bl_label = "Project to Geometry"
    bl_options = {"REGISTER", "UNDO"}

    size: IntProperty(
        name="Size", description="Pixels a side of each texture", default=1024, min=64, max=8192
    )
    assign: BoolProperty(
        name="Assign Material",
        description="Give each mesh a material that shows its texture, in a slot of its own; the "
        "materials it had stay in theirs",
        default=True,
    )

    stopped = "Baking stopped; meshes that were done keep their textures."
    keeps = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In Object Mode, with a mesh selected and something remembered."""
        cls.poll_message_set("Select meshes in Object Mode; the scene needs memory frames")
        meshes = any(ob.type == "MESH" for ob in context.selected_objects)
        return context.mode == "OBJECT" and meshes and len(context.scene.worldfm.memory) > 0

    def steps(self, context: bpy.types.Context) -> Generator[Step]:
        """One mesh after the other, one memory frame after the other."""
        frames = [f for f in read_frames(context.scene)[0] if f.depth is not None]
        if not frames:
            raise InputError(
                "No memory frame has depth, so nothing can be projected; capture memory from the "
                "scene or keep frames."
            )
        scale = context.scene.unit_settings.scale_length
        names = [ob.name for ob in context.selected_objects if ob.type == "MESH"]
        for name in names:
            ob = context.scene.objects.get(name)
            if ob is None or not len(ob.data.polygons):
                continue
            yield from self._bake_one(context, ob, frames, scale)

    def _bake_one(
        self,
        context: bpy.types.Context,
        ob: bpy.types.Object,
        frames: list[MemoryFrame],
        scale_length: float,
    ) -> Iterator[Step]:
        layer = _uv_layer(ob.data)
        yield Step(f"Preparing {ob.name}")
        evaluated = ob.evaluated_get(context.evaluated_depsgraph_get())
        surface = read_mesh(evaluated)
        if surface is None or layer not in surface.mesh.uv:
            raise InputError(
                f"The modifiers of '{ob.name}' drop its UVs; apply them or turn them off first."
            )
        matrix = np.array(evaluated.matrix_world, dtype=np.float64)
        matrix[:3] *= scale_length
        corners = surface.corners @ matrix[:3, :3].T + matrix[:3, 3]
        texels = rasterise(corners, surface.mesh.uv[layer], self.size)
        base = _base_colours(ob, surface, corners, texels)
        rgb = np.zeros((self.size, self.size, 3), np.float32)
        weight = np.zeros((self.size, self.size))
        for i, so_far in enumerate(bake(texels, frames, self.size), start=1):
            rgb, weight = so_far
            yield Step(f"Projecting frame {i} of {len(frames)} onto {ob.name}", i / len(frames))
        if not (weight > 0).any():
            self.report({"WARNING"}, f"No memory frame sees '{ob.name}'; it was left as it is.")
            return
        seen = weight > 0
        unseen = ~seen.ravel()[texels.index]
        rgb.reshape(-1, 3)[texels.index[unseen]] = base[unseen]
        seen.ravel()[texels.index] = True
        image = _image(f"{ob.name} WorldFM", fill_seams(rgb, seen))
        if self.assign:
            _show_alone(ob.data, photo_material(f"{ob.name} WorldFM", image))
        yield Step(f"{ob.name} is done")


def _base_colours(
    ob: bpy.types.Object, surface: Surface, corners: np.ndarray, texels: Texels
) -> np.ndarray:
    """(N, 3) float32 sRGB in [0, 1] that the materials have without light, at each texel."""
    colors = [base_color_of(slot.material) for slot in ob.material_slots] or [base_color_of(None)]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(across, axis=1) / 2
    count = np.bincount(texels.triangle, minlength=len(area))
    spacing = np.sqrt(area / np.maximum(count, 1))
    samples = Samples(
        texels.xyz.astype(np.float32),
        texels.triangle,
        texels.weights[:, 1:].astype(np.float32),
        spacing[texels.triangle].astype(np.float32),
    )
    return colours_of(surface.mesh, colors, samples, area)[0].astype(np.float32) / 255


def _show_alone(mesh: bpy.types.Mesh, material: bpy.types.Material) -> None:
    """A new slot that all faces use; which they used before is kept as the attribute BEFORE."""
    before = np.zeros(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", before)
    if not len(mesh.materials):
        mesh.materials.append(None)  # so that what was there before has a slot to go back to
    mesh.materials.append(material)
    kept = mesh.attributes.get(BEFORE) or mesh.attributes.new(BEFORE, "INT", "FACE")
    kept.data.foreach_set("value", before)
    mesh.polygons.foreach_set(
        "material_index", np.full(len(before), len(mesh.materials) - 1, np.int32)
    )
    mesh.update()


def _uv_layer(mesh: bpy.types.Mesh) -> str:
    """The UVs to bake to: the ones rendered with, or new ones where there are none."""
    for layer in mesh.uv_layers:
        if layer.active_render:
            return layer.name
    totals = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", totals)
    layer = mesh.uv_layers.new(name=UV_NAME)
    layer.uv.foreach_set("vector", polygon_atlas(totals).ravel())
    mesh.update()
    return layer.name


def _image(name: str, rgb: np.ndarray) -> bpy.types.Image:
    """A packed image of (H, W, 3) sRGB in [0, 1], row 0 at the bottom."""
    height, width = rgb.shape[:2]
    image = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = rgb
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    return image


CLASSES = (WORLDFM_OT_project_to_geometry,)
