# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair and point clouds as triangles: tubes of three sides, and small solids.

Both are as wide as what they stand for in the mean over all directions: a convex body's mean width
is its perimeter / pi, its mean silhouette a quarter of its surface (Cauchy).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import bpy
import numpy as np

from ..backend.shared.scene import Mesh

MAX_TRIANGLES = 2_000_000
"""Of one object; beyond it strands or points are left out, and the others are as much larger."""
_RADIUS = 0.005
"""Where hair says nothing of it, as in Cycles."""
_TUBE = np.pi * 2 / (3 * np.sqrt(3))
_COLORS = {"FLOAT_COLOR", "BYTE_COLOR"}

_GOLDEN = (1 + np.sqrt(5)) / 2
_ICOSAHEDRON = np.array(
    [(-1, _GOLDEN, 0), (1, _GOLDEN, 0), (-1, -_GOLDEN, 0), (1, -_GOLDEN, 0),
     (0, -1, _GOLDEN), (0, 1, _GOLDEN), (0, -1, -_GOLDEN), (0, 1, -_GOLDEN),
     (_GOLDEN, 0, -1), (_GOLDEN, 0, 1), (-_GOLDEN, 0, -1), (-_GOLDEN, 0, 1)], np.float32
) / np.float32(np.sqrt(1 + _GOLDEN**2))  # fmt: skip
_SIDES = np.array(
    [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2),
     (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5),
     (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)], np.int32
)  # fmt: skip
SIDES = len(_SIDES)
_SOLID = np.sqrt(4 * np.pi / (5 * np.sqrt(3) * (2 / np.sqrt(1 + _GOLDEN**2)) ** 2))


@dataclass(frozen=True, eq=False)
class Strands:
    """Lines of points. places: (N, 3) float32. radii: (N,) float32. first: (C + 1,) int64 point of
    each strand, and the number of points. colors, uv: name -> (N, 4) and (C, 2) float32.
    """

    places: np.ndarray
    radii: np.ndarray
    first: np.ndarray
    colors: dict[str, np.ndarray] = field(default_factory=dict)
    uv: dict[str, np.ndarray] = field(default_factory=dict)


def read_curves(curves: bpy.types.Curves) -> Strands:
    """Of (evaluated) hair curves; Bezier curves go straight from point to point."""
    count, strands = len(curves.points), len(curves.curves)
    first = np.zeros(strands + 1, np.int32)
    curves.curve_offset_data.foreach_get("value", first)
    radius = curves.attributes.get("radius")
    uv = curves.attributes.get("surface_uv_coordinate")
    return Strands(
        _floats(curves.attributes["position"], "vector", count, 3),
        np.full(count, _RADIUS, np.float32)
        if radius is None
        else _floats(radius, "value", count, 1)[:, 0],
        first.astype(np.int64),
        _point_colors(curves.attributes, count),
        {} if uv is None else {uv.name: _floats(uv, "vector", strands, 2)},
    )


def read_hair(ob: bpy.types.Object, system: bpy.types.ParticleSystem, render: bool) -> Strands:
    """The strands of a particle system in the space of its (evaluated) object."""
    settings = system.settings
    parents, children = len(system.particles), len(system.child_particles)
    steps = 2 ** (settings.render_step if render else settings.display_step) + 1
    numbers = range(parents, parents + children) if children else range(parents)
    numbers = numbers[:: max(1, len(numbers) * (steps - 1) * 6 // MAX_TRIANGLES)]
    co = system.co_hair
    places = np.array(
        [
            co(object=ob, particle_no=number, step=step)
            for number in numbers
            for step in range(steps)
        ],
        np.float64,
    ).reshape(-1, 3)
    back = np.linalg.pinv(np.array(ob.matrix_world, float))
    along = np.linspace(0, 1, steps)
    shape = settings.shape
    taper = (1 - along) ** (1 + shape if shape < 0 else 1 / max(1 - shape, 1e-6))
    radii = settings.tip_radius + taper * (settings.root_radius - settings.tip_radius)
    if settings.use_close_tip:
        radii[-1] = 0
    wider = max(1.0, (children or parents) / max(len(numbers), 1))
    radii = radii * settings.radius_scale * 0.5 * wider
    return Strands(
        (places @ back[:3, :3].T + back[:3, 3]).astype(np.float32),
        np.tile(radii, len(numbers)).astype(np.float32),
        np.arange(len(numbers) + 1, dtype=np.int64) * steps,
    )


def thinned(strands: Strands) -> Strands:
    """Every so many strands only, and these as much wider, where there are too many."""
    lengths = np.diff(strands.first)
    step = -(-int(np.maximum(lengths - 1, 0).sum()) * 6 // MAX_TRIANGLES)
    if step <= 1:
        return strands
    kept = np.arange(0, len(lengths), step)
    points = _runs(strands.first[kept], lengths[kept])
    return Strands(
        strands.places[points],
        strands.radii[points] * np.float32(step),
        np.append(0, np.cumsum(lengths[kept])),
        {name: values[points] for name, values in strands.colors.items()},
        {name: values[kept] for name, values in strands.uv.items()},
    )


def tubes(strands: Strands) -> Mesh | None:
    """Strands as tubes of three sides with round normals; None without any."""
    strands = thinned(strands)
    lengths = np.diff(strands.first)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    start = np.flatnonzero(owner[:-1] == owner[1:])  # points that a segment begins at
    if not len(start):
        return None
    out = _rings(strands, owner)
    vertices = strands.places[:, None] + out * (strands.radii * np.float32(_TUBE))[:, None, None]
    ring = 3 * start[:, None, None] + np.array(
        [[0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4], [2, 0, 3], [2, 3, 5]]
    )
    triangles = ring.reshape(-1, 3).astype(np.int32)
    flat = vertices.reshape(-1, 3).astype(np.float32)
    point = triangles // 3
    return Mesh(
        flat,
        triangles,
        np.zeros(len(triangles), np.int32),
        out.reshape(-1, 3)[triangles].astype(np.float32),
        {name: values[owner[point]] for name, values in strands.uv.items()},
        {name: values[point] for name, values in strands.colors.items()},
        next(iter(strands.uv), ""),
        next(iter(strands.colors), ""),
        _bounds(strands.places),
    )


def _rings(strands: Strands, owner: np.ndarray) -> np.ndarray:
    """(N, 3, 3) unit vectors from each point to the corners of its ring."""
    ahead = np.zeros_like(strands.places)
    ahead[:-1] = np.where((owner[:-1] == owner[1:])[:, None], np.diff(strands.places, axis=0), 0)
    along = ahead.copy()
    along[1:] += ahead[:-1]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    # one axis a strand, the one it runs along least, so that its rings do not turn
    ends = np.maximum(strands.first[1:] - 1, 0)
    whole = np.abs(strands.places[ends] - strands.places[np.minimum(strands.first[:-1], ends)])
    aside = np.eye(3, dtype=np.float32)[whole.argmin(axis=1)][owner]
    x = np.cross(along, aside)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    y = np.cross(along, x)
    turn = np.arange(3) * 2 * np.pi / 3
    return x[:, None] * np.cos(turn)[:, None] + y[:, None] * np.sin(turn)[:, None]


def read_cloud(cloud: bpy.types.PointCloud) -> Mesh | None:
    """The points of an (evaluated) point cloud as icosahedra; None without any."""
    count = len(cloud.points)
    if count == 0:
        return None
    places = _floats(cloud.attributes["position"], "vector", count, 3)
    radius = cloud.attributes.get("radius")
    radii = np.full(count, 0.01, np.float32)
    if radius is not None:
        radii = _floats(radius, "value", count, 1)[:, 0]
    return solids(places, radii, _point_colors(cloud.attributes, count))


def solids(places: np.ndarray, radii: np.ndarray, colors: dict[str, np.ndarray]) -> Mesh:
    """Points (N, 3) as icosahedra with round normals."""
    step = -(-len(places) * len(_SIDES) // MAX_TRIANGLES)
    if step > 1:
        places, radii = places[::step], radii[::step] * np.float32(np.sqrt(step))
        colors = {name: values[::step] for name, values in colors.items()}
    count = len(places)
    vertices = places[:, None] + _ICOSAHEDRON * (radii * np.float32(_SOLID))[:, None, None]
    number = np.arange(count, dtype=np.int32)
    triangles = (number[:, None, None] * np.int32(12) + _SIDES).reshape(-1, 3)
    normals = np.broadcast_to(_ICOSAHEDRON[_SIDES], (count, 20, 3, 3)).reshape(-1, 3, 3)
    owner = np.repeat(number, 20)
    return Mesh(
        vertices.reshape(-1, 3).astype(np.float32),
        triangles,
        np.zeros(len(triangles), np.int32),
        normals,
        {},
        {name: np.repeat(values[owner][:, None], 3, axis=1) for name, values in colors.items()},
        "",
        next(iter(colors), ""),
        _bounds(places),
    )


def _bounds(places: np.ndarray) -> np.ndarray:
    low, high = places.min(axis=0), places.max(axis=0)
    return np.stack([low, np.where(high > low, high, low + 1)]).astype(np.float32)


def _point_colors(attributes: bpy.types.AttributeGroup, count: int) -> dict[str, np.ndarray]:
    return {
        one.name: _floats(one, "color", count, 4)
        for one in attributes
        if one.domain == "POINT" and one.data_type in _COLORS
    }


def _floats(attribute: bpy.types.Attribute, name: str, count: int, width: int) -> np.ndarray:
    flat = np.empty(count * width, np.float32)
    attribute.data.foreach_get(name, flat)
    return flat.reshape(count, width)


def _runs(first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """first[0], first[0] + 1, ... `lengths[0]` of them, then those of the next."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - ends + lengths, lengths)
