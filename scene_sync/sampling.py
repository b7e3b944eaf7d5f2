# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles to evenly spread surface points, as dense as the cameras that look at them need.

numpy only, no bpy: geometry and the cameras' needs go in, point positions come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend.shared.camera import Camera

PIXELS_APART = 0.6
"""Distance of neighbouring points in pixels of the camera that sees them from nearest."""
UNSEEN = 8.0
"""How much coarser surfaces are that no camera has in its picture."""
NEAREST = 0.1
"""Metres: closer to a camera than this, density grows no further; where units are smaller than
metres, units."""

_MAX_EDGE = 0.5
_ROUNDS = 24
_MARGIN = 1.15
# Additive recurrence of the plastic number: the next point of a triangle falls into a gap
_STEP_U, _STEP_V = 0.7548776662466927, 0.5698402909980532

_LATTICE_FROM = 6.0
"""Points from which a piece is large enough for a lattice."""
_TURN = 0.4
"""Radians by which lattices are turned."""


@dataclass(frozen=True, eq=False)
class Guide:
    """A place pictures are taken from.

    directed: whether it looks only where its camera does. nearest: metres; closer to it than
    this, density grows no further.
    """

    camera: Camera
    directed: bool = True
    nearest: float = NEAREST


@dataclass(frozen=True, eq=False)
class Pieces:
    """Triangles, or parts of them that are small against their distance to every guide.

    xyz: (T, 3, 3) float32, metres, world. parent: (T,) int32 triangle they came from.
    corners: (T, 3, 2) float32 barycentric (u, v) of the corners in the parent. area: (T,) float32.
    spacing: (T,) float32 wanted distance between points, metres.
    """

    xyz: np.ndarray
    parent: np.ndarray
    corners: np.ndarray
    area: np.ndarray
    spacing: np.ndarray

    def wanted(self) -> float:
        """How many points this density makes."""
        return float(np.sum(self.area / (self.spacing * self.spacing), dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Samples:
    """Points on triangles.

    xyz: (N, 3) float32. parent: (N,) int32 triangle. uv: (N, 2) float32 barycentric weights of
    its second and third corner. spacing: (N,) float32, metres.
    """

    xyz: np.ndarray
    parent: np.ndarray
    uv: np.ndarray
    spacing: np.ndarray


def nearest_of(scale_length: float) -> float:
    """`Guide.nearest` where a unit is `scale_length` metres."""
    return NEAREST * min(1.0, scale_length)


def split(xyz: np.ndarray, guides: list[Guide]) -> Pieces:
    """Cut triangles (T, 3, 3) whose distance to the guides varies along them, and rate each.

    In order of `parent`; triangles without area are left out.
    """
    xyz = np.ascontiguousarray(xyz, np.float32)
    parent: np.ndarray = np.arange(len(xyz), dtype=np.int32)
    corners: np.ndarray = np.broadcast_to(_UNIT, (len(xyz), 3, 2))
    done: list[tuple[np.ndarray, ...]] = []
    for last in (r == _ROUNDS for r in range(_ROUNDS + 1)):
        centre, radius = _spheres(xyz)
        spacing, distance = _needs(centre, radius, guides)
        large = (radius > _MAX_EDGE * distance) & (radius > 4 * spacing)
        if last or not large.any():
            done.append((xyz, parent, corners, spacing))
            break
        small = ~large
        done.append((xyz[small], parent[small], corners[small], spacing[small]))
        xyz, parent, corners = _halve(xyz[large], parent[large], corners[large])
    xyz, parent, corners, spacing = (
        done[0] if len(done) == 1 else [np.concatenate(a) for a in zip(*done, strict=True)]
    )
    if len(done) > 1:  # the parts of one triangle together: its points don't depend on others
        order = np.argsort(parent, kind="stable")
        xyz, parent, corners, spacing = (a[order] for a in (xyz, parent, corners, spacing))
    area = _areas(xyz)
    keep = area > 0
    if not keep.all():
        xyz, parent, corners = xyz[keep], parent[keep], corners[keep]
        area, spacing = area[keep], spacing[keep]
    return Pieces(xyz, parent, corners, area, spacing)


_UNIT = np.array([[0, 0], [1, 0], [0, 1]], np.float32)


def split_all(parts: list[np.ndarray], guides: list[Guide]) -> list[Pieces]:
    """`split` of each of many arrays (T, 3, 3), with the same result and one call for all."""
    whole = split(np.concatenate(parts), guides)
    first = np.cumsum([0, *(len(part) for part in parts)])
    cuts = np.searchsorted(whole.parent, first)
    return [
        Pieces(
            whole.xyz[a:b],
            whole.parent[a:b] - np.int32(offset),
            whole.corners[a:b],
            whole.area[a:b],
            whole.spacing[a:b],
        )
        for a, b, offset in zip(cuts[:-1], cuts[1:], first[:-1], strict=True)
    ]


def sample(pieces: Pieces, coarser: float, seed: int) -> Samples:
    """Points on every piece, `coarser` times as far apart as it wants; same seed, same points.

    In order of the pieces. Large ones carry a lattice, which leaves no gaps and goes on over the
    next piece of a plane; small ones share random points, each by its area.
    """
    spacing = pieces.spacing * np.float32(coarser)
    share = pieces.area / (spacing * spacing)
    rng = np.random.default_rng(seed)
    offset = rng.random(2)
    large = share >= _LATTICE_FROM
    found = [_scattered(np.flatnonzero(~large), share[~large], rng)]
    if large.any():
        found.append(_lattice(np.flatnonzero(large), pieces.xyz[large], spacing[large], offset))
    piece, u, v = (np.concatenate(a) for a in zip(*found, strict=True))
    if large.any() and not large.all():
        order = np.argsort(piece, kind="stable")
        piece, u, v = piece[order], u[order], v[order]
    return Samples(
        _blend(pieces.xyz, piece, u, v),
        pieces.parent[piece],
        _blend(pieces.corners, piece, u, v),
        spacing[piece],
    )


_Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(N,) pieces, and (N,) float32 barycentric u and v of points in them."""


def _scattered(piece: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> _Found:
    """`share` (P,) points in each of the pieces numbered `piece` (P,)."""
    # systematic rounding: a run of tiny triangles still gets its share of points
    until = np.floor(np.cumsum(share, dtype=np.float64) + rng.random())
    counts = np.diff(until, prepend=0.0).astype(np.int64)
    start = np.repeat(rng.random((len(counts), 2), dtype=np.float32), counts, axis=0)
    index = _numbers(counts)
    u = (start[:, 0] + index * _STEP_U) % 1.0
    v = (start[:, 1] + index * _STEP_V) % 1.0
    outside = u + v > 1.0
    u = np.where(outside, 1.0 - u, u).astype(np.float32)
    v = np.where(outside, 1.0 - v, v).astype(np.float32)
    return np.repeat(piece, counts), u, v


def _lattice(piece: np.ndarray, xyz: np.ndarray, spacing: np.ndarray, offset: np.ndarray) -> _Found:
    """The points of a square lattice in each plane that lie in the pieces `xyz` (P, 3, 3).

    spacing: (P,) metres. offset: (2,) where the lattice begins, in parts of the spacing. Row by
    row, so that a sliver costs no more than its length.
    """
    xyz = xyz.astype(np.float64)
    plane = np.einsum("pca,pka->kpc", xyz, _plane_axes(xyz)) / spacing[:, None]
    x, y = plane - offset[:, None, None]  # (P, 3) each, in steps of the lattice
    first = np.ceil(y.min(axis=1))
    rows = np.maximum(np.floor(y.max(axis=1)) - first + 1, 0).astype(np.int64)
    owner = np.repeat(np.arange(len(piece)), rows)
    row = first[owner] + _numbers(rows)
    left, right = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        low, rise = y[owner, a], (y[:, b] - y[:, a])[owner]
        with np.errstate(divide="ignore", invalid="ignore"):
            along = (row - low) / rise
        at = x[owner, a] + along * (x[:, b] - x[:, a])[owner]
        crossed = (along >= 0) & (along <= 1)  # never along an edge: NaN
        np.minimum(left, at, out=left, where=crossed)
        np.maximum(right, at, out=right, where=crossed)
    with np.errstate(invalid="ignore"):
        counts = np.floor(right) - np.ceil(left) + 1
    counts = np.where(right >= left, counts, 0).astype(np.int64)
    column = np.repeat(np.ceil(left), counts) + _numbers(counts)
    owner, row = np.repeat(owner, counts), np.repeat(row, counts)
    (x0, x1, x2), (y0, y1, y2) = x.T, y.T
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    px, py = column - x0[owner], row - y0[owner]
    u = (px * (y2 - y0)[owner] - py * (x2 - x0)[owner]) / area[owner]
    v = (py * (x1 - x0)[owner] - px * (y1 - y0)[owner]) / area[owner]
    return piece[owner], u.astype(np.float32), v.astype(np.float32)


def _plane_axes(xyz: np.ndarray) -> np.ndarray:
    """(P, 2, 3) two directions in the planes of triangles, the same for all of one plane."""
    normal = np.cross(xyz[:, 1] - xyz[:, 0], xyz[:, 2] - xyz[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # unequal factors: at 45 degrees, rounding must not choose
    main = (np.abs(normal) * (1.0, 1.01, 1.02)).argmax(axis=1)
    normal *= np.sign(np.take_along_axis(normal, main[:, None], axis=1))
    across = np.cross(normal, np.eye(3)[(main + 1) % 3])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    along = np.cross(across, normal)
    # turned, so that no row of points lies along walls, floors and rows of pixels
    cosine, sine = np.cos(_TURN), np.sin(_TURN)
    return np.stack([cosine * along + sine * across, cosine * across - sine * along], axis=1)


def _numbers(counts: np.ndarray) -> np.ndarray:
    """0, 1, ... count - 1 for each of `counts`, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _blend(corners: np.ndarray, index: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(N, C) values inside triangles with corner values (T, 3, C)."""
    origin = corners[:, 0]
    edges = corners[:, 1:] - corners[:, :1]
    return origin[index] + u[:, None] * edges[:, 0][index] + v[:, None] * edges[:, 1][index]


def _areas(xyz: np.ndarray) -> np.ndarray:
    """(T,) float32 areas of triangles (T, 3, 3)."""
    a = (xyz[:, 1] - xyz[:, 0]).T
    b = (xyz[:, 2] - xyz[:, 0]).T
    x, y, z = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
    return 0.5 * np.sqrt(x * x + y * y + z * z)


def _spheres(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres (T, 3) and radii (T,) of spheres around triangles."""
    centre = (xyz[:, 0] + xyz[:, 1] + xyz[:, 2]) * np.float32(1 / 3)
    away = xyz - centre[:, None]
    return centre, np.sqrt(np.einsum("tij,tij->ti", away, away).max(axis=1, initial=0.0))


def _needs(
    centre: np.ndarray, radius: np.ndarray, guides: list[Guide]
) -> tuple[np.ndarray, np.ndarray]:
    """Wanted spacing (T,) and distance (T,) to the guide that wants it most."""
    best = np.full(len(centre), np.inf, np.float32)
    distance = np.full(len(centre), np.inf, np.float32)
    for guide in guides:
        camera = guide.camera
        away = centre - camera.position.astype(np.float32)
        d = np.sqrt(np.einsum("ti,ti->t", away, away)) - radius
        np.maximum(d, np.float32(guide.nearest), out=d)
        reach = np.ones_like(d) if camera.is_orthographic else d
        spacing = reach * np.float32(PIXELS_APART / camera.K[0, 0])
        if guide.directed:
            spacing[~_in_picture(camera, away, radius)] *= UNSEEN
        closer = spacing < best
        np.copyto(best, spacing, where=closer)
        np.copyto(distance, d, where=closer)
    return best, distance


def _in_picture(camera: Camera, away: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(T,) whether spheres at `away` (from the camera's centre) touch the widened picture."""
    K, w, h = camera.K, camera.width, camera.height
    if camera.is_orthographic:
        right, down = (away @ camera.c2w[:3, :2].astype(np.float32)).T
        half = np.array([w, h]) / 2 / K[[0, 1], [0, 1]]
        x, y = (np.array([w, h]) / 2 - K[:2, 2]) / K[[0, 1], [0, 1]]
        half *= _MARGIN
        return np.maximum(np.abs(right - x) - half[0], np.abs(down - y) - half[1]) < radius
    left, right = K[0, 2] / K[0, 0], (w - K[0, 2]) / K[0, 0]
    top, bottom = K[1, 2] / K[1, 1], (h - K[1, 2]) / K[1, 1]
    planes = np.array(
        [[1, 0, left * _MARGIN], [-1, 0, right * _MARGIN], [0, 1, top * _MARGIN],
         [0, -1, bottom * _MARGIN], [0, 0, 1]]
    )  # fmt: skip
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    inward = (planes @ camera.c2w[:3, :3].T).astype(np.float32)
    return ((away @ inward.T).min(axis=1) + radius) > 0


def _halve(
    xyz: np.ndarray, parent: np.ndarray, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every triangle cut in two across its longest edge."""
    edges = np.roll(xyz, -1, axis=1) - xyz
    longest = np.einsum("tij,tij->ti", edges, edges).argmax(axis=1)
    order = (longest[:, None] + np.arange(3)) % 3
    xyz = np.take_along_axis(xyz, order[..., None], axis=1)
    corners = np.take_along_axis(corners, order[..., None], axis=1)
    return (
        np.concatenate(_two(xyz)),
        np.concatenate([parent, parent]),
        np.concatenate(_two(corners)),
    )


def _two(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = corners.copy(), corners.copy()
    middle = (corners[:, 0] + corners[:, 1]) * np.float32(0.5)
    first[:, 1], second[:, 0] = middle, middle
    return first, second
