# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that shines, as fixed points that light comes from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np

from ...shared.scene import EVERYWHERE, Lamp
from .medium import Medium
from .patterns import (
    disk_points,
    fibonacci_points,
    frames_of,
    grid_points,
    plane_points,
    sphere_points,
    sunflower_points,
)
from .sky import Sun

POINTS = 256
"""Points of a lamp that has a size, for shadows: as many for each pixel of a tile as one asks with.
Any run of them is spread over the whole lamp."""
SETS = (1, 4, 9, 16, 36)
"""Smaller sets of points follow, for what arrives where nothing stands between: evenly spread, the
first of them the middle."""
STARTS = tuple(POINTS + sum(SETS[:i]) for i in range(len(SETS)))
ALL_POINTS = POINTS + sum(SETS)

FAR, NEAR, FACING, BOTH, OUTWARDS = 0, 1, 2, 3, 4
"""Ways a point shines: from far away; evenly; from a surface, on one side or on both; from a
closed mesh, whose insides nobody sees."""
FACES = 64
"""Triangles of a shining mesh up to which it is computed as what it is where it is near."""

MOST_LIGHTS = 24
"""Lights that every pixel looks at; the others are looked at by the cache only."""


@dataclass(frozen=True, eq=False)
class Lights:
    """L lights of P = ALL_POINTS points each; all arrays float32 unless said.

    kind: (L,) int32, FAR and so on. soft: (L,) bool, more than one point matters.
    place: (L, P, 3) where points are, of FAR ones the direction to them. facing: (L, P, 3) unit.
    power: (L, P, 3) irradiance face on (FAR), or that at one metre. radius: (L,) metres (FAR:
    radians) from the middle to the rim. axis: (L, 3); cone: (L, 4): cosine where a SPOT ends and
    one over the width of its blend; tangent of an AREA's half spread (0 = wide) and its factor,
    or what is added to a NEAR one's squared distance.
    shadow: (L,) bool. visible: (L,) int32, see `scene.CAMERA`. met: (L,) bool, see `Lamp`.
    middle: (L, 3); across, along: (L, 3) from there to the rim of an AREA, zero for others; round:
    (L,) bool, whether it has no corners. area: (L,) square metres that NEAR and FAR ones have none
    of. faces: (L, FACES, 3, 3) and glow: (L, FACES, 3), corners of a shining mesh's triangles and
    what they send out, the first count: (L,) int32 of which there are; meshes of more have none.
    wide: (L,) bool, shadows are so soft that neighbours share. medium: fog that their light passes.
    """

    kind: np.ndarray
    soft: np.ndarray
    place: np.ndarray
    facing: np.ndarray
    power: np.ndarray
    radius: np.ndarray
    axis: np.ndarray
    cone: np.ndarray
    shadow: np.ndarray
    visible: np.ndarray
    met: np.ndarray
    middle: np.ndarray
    across: np.ndarray
    along: np.ndarray
    round: np.ndarray
    area: np.ndarray
    faces: np.ndarray
    glow: np.ndarray
    count: np.ndarray
    wide: np.ndarray
    medium: Medium | None

    def __len__(self) -> int:
        return len(self.kind)

    def only(self, keep: np.ndarray) -> Lights:
        """Those of numbers (K,) or marks (L,) bool `keep`."""
        kept = {f.name: getattr(self, f.name)[keep] for f in fields(self) if f.name != "medium"}
        return replace(self, **kept)

    @classmethod
    def of(cls, parts: list[LightSource], medium: Medium | None = None) -> Lights:
        """From single lights; medium: fog that their light passes."""
        count = len(parts)

        def all_of(name: str, *shape: int) -> np.ndarray:
            values = [getattr(part, name) for part in parts]
            return np.array(values, np.float32).reshape(count, *shape)

        made = cls(
            kind=np.array([p.kind for p in parts], np.int32),
            soft=np.array([p.soft for p in parts], bool),
            place=all_of("place", ALL_POINTS, 3),
            facing=all_of("facing", ALL_POINTS, 3),
            power=all_of("power", ALL_POINTS, 3),
            radius=all_of("radius"),
            axis=all_of("axis", 3),
            cone=all_of("cone", 4),
            shadow=np.array([p.shadow for p in parts], bool),
            visible=np.array([p.visible for p in parts], np.int32),
            met=np.array([p.met for p in parts], bool),
            middle=all_of("middle", 3),
            across=all_of("across", 3),
            along=all_of("along", 3),
            round=np.array([p.round for p in parts], bool),
            area=all_of("area"),
            faces=np.zeros((count, FACES, 3, 3), np.float32),
            glow=np.zeros((count, FACES, 3), np.float32),
            count=np.array([len(p.faces) for p in parts], np.int32),
            wide=np.zeros(count, bool),
            medium=medium,
        )
        for i, part in enumerate(parts):
            made.faces[i, : len(part.faces)], made.glow[i, : len(part.faces)] = (
                part.faces,
                part.glow,
            )
        return made


@dataclass(frozen=True, eq=False)
class LightSource:
    """One of `Lights`, before they are put together."""

    kind: int
    soft: bool
    place: np.ndarray
    facing: np.ndarray
    power: np.ndarray
    radius: float
    axis: np.ndarray
    cone: tuple[float, float, float, float] = (-2.0, 0.0, 0.0, 0.0)
    shadow: bool = True
    visible: int = EVERYWHERE
    met: bool = True
    middle: np.ndarray = field(default_factory=lambda: np.zeros(3))
    across: np.ndarray = field(default_factory=lambda: np.zeros(3))
    along: np.ndarray = field(default_factory=lambda: np.zeros(3))
    round: bool = False
    area: float = 0.0
    faces: np.ndarray = field(default_factory=lambda: np.zeros((0, 3, 3)))
    glow: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))


def light_of(lamp: Lamp) -> LightSource | None:
    """A lamp of Blender's; None when it gives no light. Units: see `Lamp`."""
    power = np.array(lamp.power, np.float64)
    if not np.isfinite(power).all() or not (power != 0).any():
        return None
    matrix = np.asarray(lamp.matrix, np.float64)
    make = {"SUN": _sun, "POINT": _point, "SPOT": _point, "AREA": _area}[lamp.kind]
    return replace(
        make(lamp, matrix, power), shadow=lamp.casts_shadow, visible=lamp.visible, met=lamp.met
    )


def sky_light(sun: Sun) -> LightSource:
    """A strong spot of the sky."""
    return _far(sun.direction, sun.irradiance, 0.5 * sun.angle)


def emitter_light(corners: np.ndarray, radiance: np.ndarray, closed: bool = False) -> LightSource:
    """A shining mesh: corners (T, 3, 3) and what each triangle sends out (T, 3), on both sides.

    closed: only to where corners run counterclockwise.
    """
    corners, radiance = _by_side(corners, radiance)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = np.linalg.norm(normal, axis=1)
    light = 0.5 * double[:, None] * radiance
    share = np.cumsum(light.mean(axis=1))
    along = np.concatenate([(np.arange(n) + 0.5) / n for n in (POINTS, *SETS)])
    # aligned runs of the first points are spread over the whole mesh too
    along[:POINTS] = (_reversed_bits(POINTS) + 0.5) / POINTS
    chosen = np.minimum(np.searchsorted(share, along * share[-1]), len(corners) - 1)
    u, v = np.concatenate([plane_points(n) for n in (POINTS, *SETS)]).T
    root = np.sqrt(u)
    weights = np.stack([1 - root, root * (1 - v), root * v], axis=1)
    place = np.einsum("pc,pci->pi", weights, corners[chosen])
    mean = light.mean(axis=1)[chosen]
    power = light[chosen] * (share[-1] / np.maximum(mean, 1e-20) / POINTS)[:, None]
    facing = normal[chosen] / np.maximum(double[chosen], 1e-20)[:, None]
    middle = place[:POINTS].mean(axis=0)
    radius = float(np.linalg.norm(place - middle, axis=1).max())
    axis, area = facing.mean(axis=0), 0.5 * float(double.sum())
    few = len(corners) <= FACES
    faces, glow = (corners, radiance) if few else (corners[:0], radiance[:0])
    kind = OUTWARDS if closed else BOTH
    return LightSource(
        kind, True, place, facing, power, radius, axis, middle=middle, area=area, faces=faces,
        glow=glow,
    )  # fmt: skip


def _by_side(corners: np.ndarray, radiance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles in the order of the sides that they face, and along each side: points spread over
    this order are spread over the sides."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    main = np.abs(normal).argmax(axis=1)
    side = 2 * main + (np.take_along_axis(normal, main[:, None], axis=1)[:, 0] > 0)
    middle = corners.mean(axis=1)
    longest = int(np.ptp(middle, axis=0).argmax())
    order = np.lexsort((middle[:, longest], side))
    return corners[order], radiance[order]


def _reversed_bits(count: int) -> np.ndarray:
    """(count,) the numbers below a power of two with their bits the other way round."""
    bits = count.bit_length() - 1
    numbers = np.arange(count)
    mirrored = np.zeros_like(numbers)
    for k in range(bits):
        mirrored |= ((numbers >> k) & 1) << (bits - 1 - k)
    return mirrored


def _on_square() -> np.ndarray:
    """(ALL_POINTS, 2) in the unit square."""
    return np.concatenate([plane_points(POINTS), *(grid_points(n) for n in SETS)])


def _on_disk() -> np.ndarray:
    """(ALL_POINTS, 2) in the unit disk."""
    rest = [sunflower_points(n) * (n > 1) for n in SETS]
    return np.concatenate([disk_points(plane_points(POINTS)), *rest])


def _on_sphere() -> np.ndarray:
    """(ALL_POINTS, 3) on the unit sphere; the smallest set is its middle."""
    rest = [fibonacci_points(n) * (n > 1) for n in SETS]
    return np.concatenate([sphere_points(plane_points(POINTS)), *rest])


def _sun(lamp: Lamp, matrix: np.ndarray, power: np.ndarray) -> LightSource:
    return _far(matrix[:3, 2], power, 0.5 * lamp.angle)


def _far(direction: np.ndarray, irradiance: np.ndarray, half: float) -> LightSource:
    """From `direction` (unit, towards it), `half` radians from its middle to its rim."""
    direction = direction / np.linalg.norm(direction)
    x, y = (axis[0] for axis in frames_of(direction[None]))
    disk = _on_disk() * np.tan(min(half, 1.5))
    ways = direction + disk[:, :1] * x + disk[:, 1:] * y
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    power = np.broadcast_to(irradiance / POINTS, (ALL_POINTS, 3))
    return LightSource(FAR, half > 1e-4, ways, -ways, power, half, -direction)


def _point(lamp: Lamp, matrix: np.ndarray, power: np.ndarray) -> LightSource:
    middle = matrix[:3, 3]
    place = middle + lamp.radius * _on_sphere()
    intensity = np.broadcast_to(power / (4 * np.pi) / POINTS, (ALL_POINTS, 3))
    added = lamp.radius**2 if lamp.soft_falloff else 0.0
    axis, cone = -matrix[:3, 2], (-2.0, 0.0, added, 0.0)
    if lamp.kind == "SPOT":
        rim = np.cos(0.5 * lamp.cone)
        cone = (float(rim), float(1 / max((1 - rim) * lamp.blend, 1e-6)), added, 0.0)
    soft = lamp.radius > 1e-4
    facing = np.zeros((ALL_POINTS, 3))
    return LightSource(NEAR, soft, place, facing, intensity, lamp.radius, axis, cone, middle=middle)


def _area(lamp: Lamp, matrix: np.ndarray, power: np.ndarray) -> LightSource:
    width, height = lamp.size
    if lamp.shape in {"DISK", "ELLIPSE"}:
        flat = _on_disk() * 0.5
        area = 0.25 * np.pi * width * height
    else:
        flat = _on_square() - 0.5
        area = width * height
    place = (
        matrix[:3, 3] + flat[:, :1] * width * matrix[:3, 0] + flat[:, 1:] * height * matrix[:3, 1]
    )
    facing = np.broadcast_to(-matrix[:3, 2], (ALL_POINTS, 3))
    # radiance x area of one point: the power's share, sent out with the cosine
    sent = np.broadcast_to(power / np.pi / POINTS, (ALL_POINTS, 3))
    cone = (-2.0, 0.0, 0.0, 0.0)
    half = 0.5 * lamp.spread
    if half < 0.5 * np.pi - 1e-3:
        tangent = np.tan(max(half, 1e-3))
        cone = (-2.0, 0.0, float(tangent), float(1 / (tangent - max(half, 1e-3))))
    return LightSource(
        FACING,
        area > 0,
        place,
        facing,
        sent,
        0.5 * float(np.hypot(width, height)),
        -matrix[:3, 2],
        cone,
        area=area,
        middle=matrix[:3, 3],
        across=0.5 * width * matrix[:3, 0],
        along=0.5 * height * matrix[:3, 1],
        round=lamp.shape in {"DISK", "ELLIPSE"},
    )
