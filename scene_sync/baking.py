# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Blender evaluates, baked by Cycles in a scene of its own that is thrown away.

Baked is a copy of the object: the triangles that it shows, with copies of its materials. Nothing
of the user's is touched; what is around comes in as it is where a value asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.shared.errors import InputError
from ..backend.shared.scene import BAKE_LAYER, Mesh
from ..backend.shared.texture_bake import fill_seams
from ..backend.shared.unwrap import MARGIN, unwrap
from .anchor_points import is_anchors
from .attributes import with_attributes
from .deforming import deforms
from .depsgraph_cache import DepsgraphCache
from .geometry import Surface, instances
from .sources import read_surface
from .unfollowed import Place, Wanted

NAME = "WorldFM Bake"
LEAST_SIDE = 64
_MOST_LAYERS = 8
_MOST_NORMALS = 500_000
"""Triangles whose corners' own normals are handed over; beyond, smooth ones are."""
_EMPTY = -65504.0
"""What no triangle covered; nothing that is baked is so dark."""
_AROUND = {"MESH", "CURVE", "SURFACE", "META", "FONT", "EMPTY", "CURVES", "POINTCLOUD"}


@dataclass(frozen=True, eq=False)
class Target:
    """A shape of an object that has something to be baked; nothing of Blender's.

    name: of the object. owner: of what makes the instance, else the same. materials: names, of each
    slot, and wanted: what is to be baked of each. bends: its vertices may stand anywhere.
    """

    name: str
    owner: str
    matrix: np.ndarray
    surface: Surface
    materials: tuple[str | None, ...]
    wanted: tuple[tuple[Wanted, ...], ...]
    bends: bool

    @property
    def values(self) -> dict[str, Wanted]:
        """By key, each once."""
        return {one.key: one for slot in self.wanted for one in slot}

    @property
    def slots(self) -> np.ndarray:
        """(T,) of each triangle, as Blender takes numbers that no slot has."""
        return np.clip(self.surface.mesh.slots, 0, len(self.materials) - 1)

    @property
    def area(self) -> float:
        """Of what is to be baked, in the scene's units squared."""
        corners = self.corners()[self._baked()]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return float(np.linalg.norm(across, axis=1).sum() / 2)

    def corners(self) -> np.ndarray:
        """(T, 3, 3) in its own space, as large as in the world."""
        return self.surface.corners * np.linalg.norm(self.matrix[:3, :3], axis=0)

    def layer(self, side: int) -> np.ndarray:
        """(T, 3, 2) texels of its own for each triangle that is baked. Raises InputError."""
        baked = self._baked()
        layer = np.zeros((len(baked), 3, 2), np.float32)
        made = unwrap(self.corners()[baked], self.surface.mesh.triangles[baked], side)
        if made is None:
            raise InputError(
                f"'{self.name}' has more loose parts than pictures of {side} pixels a side have "
                "room for; bake with a larger size."
            )
        layer[baked] = made
        return layer

    def _baked(self) -> np.ndarray:
        return np.array([bool(slot) for slot in self.wanted])[self.slots]


def targets_of(depsgraph: bpy.types.Depsgraph) -> list[Target]:
    """All that `depsgraph` shows and that has something to be baked, baked already or not."""
    cache, seen, found = DepsgraphCache(depsgraph), set(), []
    for one in instances(depsgraph):
        ob = one.object
        pointer = (ob.original.session_uid, ob.data.as_pointer())
        if pointer in seen or is_anchors(ob):
            continue
        seen.add(pointer)
        shaders = cache.materials(ob)[1]
        if not any(shader.wanted for shader in shaders):
            continue
        surface = read_surface(ob)
        if surface is None or not surface.finite:
            continue
        surface = with_attributes(surface, ob, shaders)
        used = {min(max(int(slot), 0), len(shaders) - 1) for slot in surface.slots}
        wanted = tuple(s.wanted if i in used else () for i, s in enumerate(shaders))
        if any(wanted):
            names = tuple(shader.name or None for shader in shaders)
            matrix, bends = np.array(one.matrix), deforms(ob)
            owner = one.owner.original.name_full
            found.append(
                Target(ob.original.name_full, owner, matrix, surface, names, wanted, bends)
            )
    return found


class _EvaluatedScene(bpy.types.RenderEngine):
    """Renders nothing: it is told of a scene as final renders have it."""

    bl_idname = "WORLDFM_EVALUATED"
    bl_label = "WorldFM"
    bl_use_preview = False
    found: list[Target] | None = None

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Called by Blender."""
        try:
            type(self).found = targets_of(depsgraph)
        finally:  # Blender may crash without a result
            layer = depsgraph.view_layer_eval.name
            self.end_result(self.begin_result(0, 0, 1, 1, layer=layer))


def targets_of_renders(scene: bpy.types.Scene, layer: str) -> list[Target]:
    """`targets_of` a scene as final renders show its view layer."""
    with ExitStack() as stack:
        _EvaluatedScene.found = None
        bpy.utils.register_class(_EvaluatedScene)
        stack.callback(bpy.utils.unregister_class, _EvaluatedScene)
        copy = scene.copy()
        stack.callback(bpy.data.scenes.remove, copy)
        copy.name = NAME
        data = bpy.data.cameras.new(NAME)
        stack.callback(bpy.data.cameras.remove, data)
        camera = bpy.data.objects.new(NAME, data)
        stack.callback(bpy.data.objects.remove, camera)
        copy.collection.objects.link(camera)
        copy.camera, copy.render.engine = camera, _EvaluatedScene.bl_idname
        render = copy.render
        render.resolution_x = render.resolution_y = 4
        render.resolution_percentage = 100
        render.use_compositing = render.use_sequencer = render.use_multiview = False
        render.use_border = False
        for one in copy.view_layers:
            one.use = one.name == layer
        with bpy.context.temp_override(scene=copy, view_layer=copy.view_layers[layer]):
            bpy.ops.render.render()
        return _EvaluatedScene.found or []


def bake_value(
    scene: bpy.types.Scene, layer: str, target: Target, uv: np.ndarray, key: str, side: int,
    samples: int,
) -> np.ndarray:  # fmt: skip
    """(side, side, 3) float32 of one of a target's values, row 0 at the bottom.

    scene, layer: where it stands. uv: (T, 3, 2), see `Target.layer`. Raises InputError.
    """
    one = target.values[key]
    with ExitStack() as stack:
        picture = bpy.data.images.new(NAME, side, side, float_buffer=True, is_data=True)
        stack.callback(bpy.data.images.remove, picture)
        picture.pixels.foreach_set(np.full(side * side * 4, _EMPTY, np.float32))
        places = [next((w.place for w in slot if w.key == key), None) for slot in target.wanted]
        materials = []
        for name, place in zip(target.materials, places, strict=True):
            material = None if place is None else _material(name, place, one.normal, picture, stack)
            materials.append(material)
        ob = _object(target, uv, materials, stack)
        stage = stack.enter_context(_stage(scene, samples))
        if one.around:
            _surround(stage, scene, layer, target)
        stage.collection.objects.link(ob)
        view = stage.view_layers[0]
        view.update()
        view.objects.active = ob
        for other in view.objects:
            other.select_set(other == ob, view_layer=view)
        there = {"scene": stage, "view_layer": view, "object": ob, "active_object": ob}
        there |= {"selected_objects": [ob], "selected_editable_objects": [ob]}
        try:
            with bpy.context.temp_override(**there):
                bpy.ops.object.bake(
                    type="EMIT",
                    save_mode="INTERNAL",
                    target="IMAGE_TEXTURES",
                    use_clear=False,
                    margin=MARGIN,
                    margin_type="EXTEND",
                    use_selected_to_active=False,
                    uv_layer=BAKE_LAYER,
                )
        except RuntimeError as error:
            raise InputError(f"Cycles could not bake '{target.name}': {error}") from error
        return _filled(picture, target, one, side)


def _filled(picture: bpy.types.Image, target: Target, one: Wanted, side: int) -> np.ndarray:
    rgba = np.empty(side * side * 4, np.float32)
    picture.pixels.foreach_get(rgba)
    rgb = rgba.reshape(side, side, 4)[..., :3]
    known: np.ndarray = np.logical_and.reduce(np.isfinite(rgb) & (rgb > _EMPTY), axis=2)
    if not known.any():
        raise InputError(f"Cycles gave nothing for {one.title} of '{target.name}'; bake it larger.")
    return fill_seams(np.where(known[..., None], rgb, np.float32(0)), known)


@contextmanager
def _stage(scene: bpy.types.Scene, samples: int) -> Iterator[bpy.types.Scene]:
    """An empty scene that Cycles renders as it would render `scene`."""
    stage = bpy.data.scenes.new(NAME)
    try:
        stage.render.engine = "CYCLES"
        stage.frame_current = scene.frame_current
        stage.render.threads_mode = scene.render.threads_mode
        stage.render.threads = scene.render.threads
        cycles, own = stage.cycles, getattr(scene, "cycles", None)
        for name in ("device", "shading_system"):
            if own is not None and hasattr(cycles, name):
                setattr(cycles, name, getattr(own, name))
        cycles.samples = samples
        cycles.use_denoising = cycles.use_adaptive_sampling = False
        cycles.sample_clamp_direct = cycles.sample_clamp_indirect = 0.0
        yield stage
    finally:
        bpy.data.scenes.remove(stage)


def _surround(stage: bpy.types.Scene, scene: bpy.types.Scene, layer: str, target: Target) -> None:
    """Bring in what else renders show; not what the target would lie upon."""
    found = scene.view_layers[layer].objects
    for ob in found:
        same = ob.name_full in {target.name, target.owner}
        if ob.type in _AROUND and not ob.hide_render and not same:
            stage.collection.objects.link(ob)


def _object(
    target: Target,
    uv: np.ndarray,
    materials: list[bpy.types.Material | None],
    stack: ExitStack,
) -> bpy.types.Object:
    mesh = mesh_of(target.surface.mesh, uv)
    stack.callback(bpy.data.meshes.remove, mesh)
    for material in materials:
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", target.slots.astype(np.int32))
    ob = bpy.data.objects.new(NAME, mesh)
    stack.callback(bpy.data.objects.remove, ob)
    ob.matrix_world = Matrix(target.matrix.tolist())
    own = bpy.data.objects.get(target.name)
    if own is not None:
        ob.color, ob.pass_index = own.color, own.pass_index
    return ob


def mesh_of(given: Mesh, uv: np.ndarray) -> bpy.types.Mesh:
    """Triangles as a mesh of Blender's, in the same order. uv: (T, 3, 2) of BAKE_LAYER."""
    count = len(given.triangles)
    mesh = bpy.data.meshes.new(NAME)
    mesh.vertices.add(len(given.vertices))
    mesh.vertices.foreach_set("co", given.vertices.astype(np.float32).ravel())
    mesh.loops.add(3 * count)
    mesh.loops.foreach_set("vertex_index", given.triangles.astype(np.int32).ravel())
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * count, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.polygons.foreach_set("use_smooth", np.full(count, given.normals is not None))
    for name, layer in [(BAKE_LAYER, uv), *given.uv.items()][:_MOST_LAYERS]:
        made = mesh.uv_layers.new(name=name, do_init=False)
        made.uv.foreach_set("vector", np.ascontiguousarray(layer, np.float32).ravel())
        made.active_render = name == given.active_uv
    for name, color in given.colors.items():
        made = mesh.color_attributes.new(name, "FLOAT_COLOR", "CORNER")
        made.data.foreach_set("color", np.ascontiguousarray(color, np.float32).ravel())
    if given.active_color in mesh.color_attributes:
        mesh.color_attributes.render_color_index = mesh.color_attributes.find(given.active_color)
    if given.bounds is not None:
        low, high = given.bounds.astype(float)
        mesh.use_auto_texspace = False
        mesh.texspace_location, mesh.texspace_size = (low + high) / 2, (high - low) / 2
    if given.normals is not None and count <= _MOST_NORMALS:
        mesh.normals_split_custom_set(given.normals.reshape(-1, 3).tolist())
    return mesh


def _material(
    name: str | None, place: Place, normal: bool, picture: bpy.types.Image, stack: ExitStack
) -> bpy.types.Material | None:
    """A copy of a material that shines with one of its values, baked into a picture."""
    known = next((m for m in bpy.data.materials if m.name_full == name), None)
    if known is None:
        return None
    material = known.copy()
    stack.callback(bpy.data.materials.remove, material)
    tree = material.node_tree
    socket = _reached(tree, place, stack)
    nodes, links = tree.nodes, tree.links
    for node in [n for n in nodes if n.type == "OUTPUT_MATERIAL"]:
        nodes.remove(node)
    if normal:
        turn = nodes.new("ShaderNodeVectorTransform")
        turn.vector_type, turn.convert_from, turn.convert_to = "NORMAL", "WORLD", "OBJECT"
        links.new(socket, turn.inputs["Vector"])
        socket = turn.outputs["Vector"]
    shine, end = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    links.new(socket, shine.inputs["Color"])
    links.new(shine.outputs["Emission"], end.inputs["Surface"])
    into = nodes.new("ShaderNodeTexImage")
    into.image = picture
    nodes.active = into
    return material


def _reached(tree: bpy.types.NodeTree, place: Place, stack: ExitStack) -> bpy.types.NodeSocket:
    """The output at a place, led out of the groups that it is in, which become copies."""
    if len(place) == 2:
        node, out = place
        return next(s for s in tree.nodes[node].outputs if s.identifier == out)
    group = tree.nodes[place[0]]
    inside = group.node_tree = group.node_tree.copy()
    stack.callback(bpy.data.node_groups.remove, inside)
    found = _reached(inside, place[1:], stack)
    kind = "NodeSocketVector" if found.type == "VECTOR" else "NodeSocketColor"
    added = inside.interface.new_socket(NAME, in_out="OUTPUT", socket_type=kind)
    end = next(n for n in inside.nodes if n.type == "GROUP_OUTPUT" and n.is_active_output)
    entry = next(s for s in end.inputs if s.identifier == added.identifier)
    inside.links.new(found, entry)
    return next(s for s in group.outputs if s.identifier == added.identifier)
