# SPDX-License-Identifier: GPL-3.0-or-later
"""Every node, setting and closure that is followed, against Cycles at the same points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from backend.conditioning.anchors.lobes import Lobes
from backend.conditioning.anchors.materials import CompiledMaterial
from backend.conditioning.anchors.shading_points import Run, ShadingPoints
from backend.shared.scene import Instance, Mesh, Scene
from backend.shared.tree_codec import decode_tree


def load(folder: Path) -> tuple[Scene, dict[str, np.ndarray]]:
    """The scene as the extension read it, and Cycles' passes."""
    arrays = np.load(folder / "scene.npz")
    data = json.loads((folder / "scene.json").read_text())
    scene = decode_tree(Scene, data, lambda item: arrays[f"arr_{item}"])
    return scene, dict(np.load(folder / "passes.npz"))


def tile_points(mesh: Mesh, instance: Instance, pixels: int) -> ShadingPoints:
    """Where a camera straight above sees the centres of a tile's pixels, row 0 on top."""
    at = (np.arange(pixels, dtype=np.float32) + 0.5) / pixels - 0.5
    y, x = (a.ravel() for a in np.meshgrid(at[::-1], at, indexing="ij"))
    corners = mesh.vertices[mesh.triangles][..., :2]
    a, e1 = corners[:, 0], corners[:, 1] - corners[:, 0]
    e2, way = corners[:, 2] - corners[:, 0], np.stack([x, y], axis=1)[:, None] - a
    det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    u = (way[..., 0] * e2[:, 1] - way[..., 1] * e2[:, 0]) / det
    v = (e1[:, 0] * way[..., 1] - e1[:, 1] * way[..., 0]) / det
    triangle = np.minimum(np.minimum(u, v), 1 - u - v).argmax(axis=1).astype(np.int32)
    row = np.arange(len(x))
    u, v = u[row, triangle].astype(np.float32), v[row, triangle].astype(np.float32)
    weights = np.stack([1 - u - v, u, v], axis=1)[..., None]
    position = (mesh.vertices[mesh.triangles[triangle]] * weights).sum(axis=1)
    normal = (mesh.normals[triangle] * weights).sum(axis=1)
    sides = mesh.vertices[mesh.triangles[triangle]]
    flat = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
    return ShadingPoints(
        runs=(Run(mesh, instance, 0, len(x)),),
        triangle=triangle,
        u=u,
        v=v,
        position=position + instance.matrix[:3, 3].astype(np.float32),
        normal=normal / np.linalg.norm(normal, axis=1, keepdims=True),
        flat=flat / np.linalg.norm(flat, axis=1, keepdims=True),
        incoming=np.tile(np.float32([0, 0, 1]), (len(x), 1)),
        width=np.full(len(x), 1 / pixels, np.float32),
        back=np.zeros(len(x), bool),
    )


def shown(name: str, lobes: Lobes) -> dict[str, np.ndarray]:
    """What Cycles' passes should hold of these lobes."""
    if name.startswith("normals"):
        return {"Normal": lobes.normal}
    if name == "closure BsdfAnisotropic":
        return {"Glossy Color": lobes.specular}
    if name == "closure BsdfRefraction":
        return {"Transmission Color": lobes.transmission}
    if name.startswith("closure"):
        return {
            "Emission": lobes.emission,
            "Diffuse Color": lobes.diffuse + lobes.translucent,
        }
    return {"Emission": lobes.emission}


OLD = {
    "Emit": "Emission",
    "DiffCol": "Diffuse Color",
    "GlossCol": "Glossy Color",
    "TransCol": "Transmission Color",
}
"""Names of the passes before Blender 5."""

LOOSER = {
    "blackbody": 0.03,  # Cycles has a fit of its own
    "wavelength": 0.03,  # a fit of the colour matching functions
    "closure BsdfSheen": 0.02,  # a table of few rows
    "closure BsdfAnisotropic": 0.06,  # light between facets takes colour once more in Cycles
    "normals bump on a map": 0.03,  # tangents by triangle, Cycles' are smoothed
}
"""Cases that may be off by more than 1 % of their range."""
WHOLE_PIXELS = 0.15
"""Bump before Blender 5 compares heights a pixel aside, the way the screen lies."""


def compare(found: dict[str, Any], folder: Path) -> dict[str, float]:
    """The share of a case's pixels whose value is off by more than 1 % (or `LOOSER`)."""
    scene, passes = load(folder)
    passes = {OLD.get(name, name): values for name, values in passes.items()}
    side, pixels = found["side"], found["pixels"]
    instances = {one.object: one for one in scene.instances}
    off = {}
    for number, name in enumerate(found["cases"]):
        instance = instances[name]
        points = tile_points(scene.meshes[instance.mesh], instance, pixels)
        material = scene.materials[instance.materials[0]]
        compiled = CompiledMaterial(material, scene.textures)
        assert not compiled.problems or name == "image missing", compiled.problems
        lobes = compiled.evaluate(points)
        row, column = side - 1 - number // side, number % side
        limit = LOOSER.get(name, 0.01)
        if found["version"][0] < 5 and ("bump" in name or "displacement" in name):
            limit = WHOLE_PIXELS
        worst = 0.0
        for channel, made in shown(name, lobes).items():
            tile = passes[channel][
                row * pixels : (row + 1) * pixels, column * pixels : (column + 1) * pixels, :3
            ].reshape(-1, 3)
            gap = np.abs(made - tile).max(axis=1) / max(0.05, np.ptp(tile))
            worst = max(worst, float((gap > limit).mean()))
        off[name] = worst
    return off


def test_nodes_are_what_cycles_makes_of_them(blender: Any, tmp_path: Path) -> None:
    found = blender("material_nodes.py", tmp_path)
    off = compare(found, tmp_path)
    wrong = {name: share for name, share in off.items() if share > 0}
    assert len(off) > 250 and not wrong, wrong
