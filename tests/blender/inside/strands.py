# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair curves, particle hair and point clouds as triangles."""

from __future__ import annotations

from typing import Any

import bpy
import extension
import numpy as np
import scenes


def read(problems: list[str] | None = None) -> Any:
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    return extension.part("scene_sync.surfaces").read_scene(depsgraph, problems=problems)


def silhouette(mesh: Any) -> float:
    """Area of a closed mesh's shadow, in the mean over all directions, if it is convex."""
    corners = mesh.vertices[mesh.triangles].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(normal, axis=1).sum() / 2 / 4)


def curves() -> dict[str, Any]:
    """Two strands, one of them bent, with radii."""
    scene = scenes.empty()
    data = bpy.data.hair_curves.new("Hair")
    data.add_curves([2, 3])
    places = [(0, 0, 0), (0, 0, 10), (5, 0, 0), (5, 0, 1), (5, 1, 2)]
    data.attributes["position"].data.foreach_set("vector", np.array(places, np.float32).ravel())
    data.points.foreach_set("radius", np.full(5, 0.1, np.float32))
    data.materials.append(scenes.material("Red", (1, 0, 0)))
    ob = bpy.data.objects.new("Hair", data)
    ob.location.x = 1
    scene.collection.objects.link(ob)
    found = read()
    (one,) = found.instances
    mesh = found.meshes[one.mesh]
    first = mesh.vertices[:6]
    ring = np.linalg.norm(first[:3], axis=1)
    perimeter = sum(np.linalg.norm(first[i] - first[(i + 1) % 3]) for i in range(3))
    return {
        "key": one.key,
        "material": found.materials[one.materials[0]].name,
        "triangles": len(mesh.triangles),
        "width": float(perimeter / np.pi),
        "round": float(np.ptp(ring)),
        "end": first[3:, 2].tolist(),
        "joined": int(mesh.triangles[:6].max()) < 6 and int(mesh.triangles[6:].min()) >= 6,
        "facing": facing(mesh),
        "x": float(one.matrix[0, 3]),
    }


def facing(mesh: Any) -> float:
    """The smallest cosine between a triangle's own normal and its corners'."""
    corners = mesh.vertices[mesh.triangles].astype(np.float64)
    own = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    return float(np.einsum("tk,tck->tc", own, mesh.normals).min())


def cloud() -> dict[str, Any]:
    """Points of a mesh by geometry nodes, with colours, as many as there are."""
    scenes.empty()
    ob = scenes.add_mesh("Cloud", [(0, 0, 0), (3, 0, 0)], [])
    layer = ob.data.color_attributes.new("Paint", "FLOAT_COLOR", "POINT")
    layer.data.foreach_set("color", [1, 0, 0, 1, 0, 0.5, 0, 1])
    group = bpy.data.node_groups.new("Points", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    ends = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    points = group.nodes.new("GeometryNodeMeshToPoints")
    points.inputs["Radius"].default_value = 0.2
    group.links.new(ends[0].outputs[0], points.inputs[0])
    group.links.new(points.outputs[0], ends[1].inputs[0])
    ob.modifiers.new("Points", "NODES").node_group = group
    found = read()
    (one,) = found.instances
    mesh = found.meshes[one.mesh]
    return {
        "triangles": len(mesh.triangles),
        "area": silhouette(mesh) / 2,
        "colors": mesh.colors["Paint"][[0, -1], 0].tolist(),
        "facing": facing(mesh),
    }


def particles() -> dict[str, Any]:
    """Hair of a particle system with a material of its own."""
    scenes.empty()
    square = scenes.add_square("Lawn", 1, 0, scenes.material("Soil", (1, 1, 0)))
    square.data.materials.append(scenes.material("Grass", (0, 1, 0)))
    square.location.x = 7
    square.modifiers.new("Grass", "PARTICLE_SYSTEM")
    settings = square.particle_systems[0].settings
    settings.type, settings.count, settings.hair_length = "HAIR", 50, 2.0
    settings.material, settings.root_radius, settings.tip_radius = 2, 1.0, 0.0
    settings.radius_scale = 0.02
    found = read()
    by_key = {one.key: one for one in found.instances}
    hair = by_key["Lawn/hair 0"]
    mesh = found.meshes[hair.mesh]
    return {
        "keys": sorted(by_key),
        "material": found.materials[hair.materials[0]].name,
        "low": mesh.vertices.min(axis=0).tolist(),
        "high": mesh.vertices.max(axis=0).tolist(),
        "triangles": len(mesh.triangles),
        "x": float(hair.matrix[0, 3]),
    }


def too_many() -> dict[str, Any]:
    """Fewer strands, as much wider."""
    module = extension.part("scene_sync.strands")
    sources = extension.part("scene_sync.sources")
    usual = module.MAX_TRIANGLES
    module.MAX_TRIANGLES = sources.MAX_TRIANGLES = 60
    try:
        scene = scenes.empty()
        data = bpy.data.hair_curves.new("Fur")
        data.add_curves([2] * 40)
        scene.collection.objects.link(bpy.data.objects.new("Fur", data))
        problems: list[str] = []
        found = read(problems)
        strands = module.Strands(
            np.zeros((80, 3), np.float32), np.ones(80, np.float32), np.arange(0, 82, 2)
        )
        fewer = module.thinned(strands)
    finally:
        module.MAX_TRIANGLES = sources.MAX_TRIANGLES = usual
    return {
        "triangles": found.triangle_count(),
        "radius": float(fewer.radii[0]),
        "strands": len(fewer.first) - 1,
        "problems": problems,
    }


extension.run_all(curves, cloud, particles, too_many)
