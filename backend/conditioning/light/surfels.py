# SPDX-License-Identifier: GPL-3.0-or-later
"""The points that receive bounced light: where they lie."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ...shared.camera import Camera
from ..anchors.lobes import Lobes
from ..anchors.surface import Matter, Surface
from ..anchors.tracing import NUDGE, Hits, Rays
from .patterns import frames_of, hemisphere_points, plane_points


def surfels(matter: Matter, rays: Rays, viewpoints: list[Camera], count: int) -> Surface:
    """Points that receive: half where cameras look, some where those see, the rest anywhere; and
    on the other side of what cameras see that lets light through."""
    parts = []
    if viewpoints:
        hits, views = _looked_at(rays, viewpoints, count // 2)
        seen = _met(matter, hits, views, slice(None))
        parts += [seen, _other_sides(matter, hits, seen, count // 8)]
        if len(seen):
            ways = cosine_ways(seen, 1)
            hits = rays.first(seen.origins(ways, NUDGE), ways)
            parts.append(_met(matter, hits, ways, slice(None, None, 2)))
    left = count - sum(len(part) for part in parts)
    parts.append(_anywhere(matter, left))
    return _joined(parts)


def _looked_at(rays: Rays, viewpoints: list[Camera], count: int) -> tuple[Hits, np.ndarray]:
    """What rays from all cameras meet, and the ways of these (N, 3)."""
    chosen = viewpoints[:: max(1, len(viewpoints) // 32)]
    each = -(-count // len(chosen))
    points = plane_points(each)
    each_one = [pixel_rays(camera, points * (camera.width, camera.height)) for camera in chosen]
    origins, ways = (np.concatenate(parts) for parts in zip(*each_one, strict=True))
    return rays.first(origins, ways), ways


def _other_sides(matter: Matter, hits: Hits, seen: Surface, count: int) -> Surface:
    """At most `count` points on the backs of those of `seen` that let light through.

    hits: of which those that met anything are `seen`.
    """
    some = np.flatnonzero(seen.lobes.lets_through())
    some = some[:: max(1, -(-len(some) // count))]
    kept = hits.take(np.flatnonzero(hits.triangle >= 0)).take(some)
    return matter.from_side(kept, -seen.flat[some], np.full(len(some), 0.01, np.float32))


def _met(matter: Matter, hits: Hits, ways: np.ndarray, part: slice) -> Surface:
    index = np.flatnonzero(hits.triangle >= 0)[part]
    kept = hits.take(index)
    spread = np.full(len(index), 0.01, np.float32)
    return matter.surface(kept, ways[index], spread, is_camera=False)


def _anywhere(matter: Matter, count: int) -> Surface:
    """Points by area, on both sides of triangles by turns; small triangles are not forgotten."""
    geometry = matter.geometry
    weight = np.sqrt(geometry.area.astype(np.float64)) + 1e-12
    weight = np.where(geometry.area > 0, weight * np.sqrt(geometry.area), 0)
    share = np.cumsum(weight)
    triangle = np.searchsorted(share, (np.arange(count) + 0.5) / count * share[-1])
    triangle = np.minimum(triangle, len(geometry) - 1).astype(np.int32)
    u, v = plane_points(count).T
    root = np.sqrt(u)
    hits = Hits(
        triangle,
        (root * (1 - v)).astype(np.float32),
        (root * v).astype(np.float32),
        np.ones(count, np.float32),
    )
    side = np.where(np.arange(count) % 2 == 0, 1.0, -1.0).astype(np.float32)[:, None]
    width = np.full(count, 0.01, np.float32)
    return matter.from_side(hits, geometry.flat[triangle] * side, width)


def _joined(parts: list[Surface]) -> Surface:
    arrays: dict[str, np.ndarray] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Surface)
        if f.name != "lobes"
    }
    lobes: dict[str, np.ndarray] = {
        f.name: np.concatenate([getattr(part.lobes, f.name) for part in parts])
        for f in fields(Lobes)
    }
    return Surface(**arrays, lobes=Lobes(**lobes))


def cosine_ways(surface: Surface, count: int) -> np.ndarray:
    """(S * count, 3) float32 directions from every surfel, as dense as their cosine."""
    number = np.arange(len(surface))
    turn = plane_points(len(surface)) if len(surface) else np.zeros((0, 2))
    angle = 2 * np.pi * turn[number, 0]
    local = hemisphere_points(count)
    # every surfel turns the pattern and moves it a little, so that neighbours complete each other
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x = cos * local[:, 0] - sin * local[:, 1]
    y = sin * local[:, 0] + cos * local[:, 1]
    lift = (turn[:, 1:] - 0.5) / count
    z = np.sqrt(np.clip(local[:, 2] ** 2 + lift, 1e-4, 1))
    flat = np.sqrt(np.maximum(1 - z * z, 0)) / np.maximum(np.hypot(x, y), 1e-9)
    tangent, bitangent = frames_of(surface.flat)
    ways = (
        (x * flat)[..., None] * tangent[:, None]
        + (y * flat)[..., None] * bitangent[:, None]
        + z[..., None] * surface.flat[:, None]
    )
    return ways.reshape(-1, 3).astype(np.float32)


def pixel_rays(camera: Camera, pixel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions (N, 3) float32, camera z = 1, through pixel positions (N, 2)."""
    x = ((pixel[:, 0] - camera.K[0, 2]) / camera.K[0, 0]).astype(np.float32)[:, None]
    y = ((pixel[:, 1] - camera.K[1, 2]) / camera.K[1, 1]).astype(np.float32)[:, None]
    right, down, forward = camera.c2w[:3, :3].T.astype(np.float32)
    place = camera.position.astype(np.float32)
    aside = x * right + y * down
    if camera.is_orthographic:
        return place + aside, np.broadcast_to(forward, aside.shape).copy()
    return np.broadcast_to(place, aside.shape).copy(), aside + forward
