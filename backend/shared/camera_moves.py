# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths by rule: around a point, and smoothly through given cameras."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .camera import Camera, look_at
from .errors import CameraError


def orbit(
    lens: Camera,
    center: np.ndarray,
    radius: float,
    height: float,
    frames: int,
    start_degrees: float = 0.0,
    sweep_degrees: float = 360.0,
) -> list[Camera]:
    """`frames` cameras with the K and size of `lens` on a level circle, looking at `center`.

    center (3,), radius, height above the centre: metres. Angles count from the world's +x,
    counterclockwise seen from above; a full turn does not come back to its first frame twice.
    """
    if radius <= 0 or frames < 1:
        raise CameraError("An orbit needs a radius above 0 and at least one frame.")
    steps = frames if abs(sweep_degrees) >= 360 else max(1, frames - 1)
    angles = np.radians(start_degrees + sweep_degrees * np.arange(frames) / steps)
    center = np.asarray(center, float)
    places = center + np.stack(
        [radius * np.cos(angles), radius * np.sin(angles), np.full(frames, height)], axis=1
    )
    return [replace(lens, c2w=look_at(place, center)) for place in places]


def through(keys: Sequence[Camera], frames: int) -> list[Camera]:
    """`frames` cameras through `keys`, first to last, at a speed that follows the keys' distances.

    Places lie on a centripetal Catmull-Rom spline, which has no loops between its keys; turns are
    the shortest ones; K changes evenly. All keys must have one size and one projection.
    """
    if len(keys) < 2 or frames < 2:
        raise CameraError("A path between cameras needs two of them and at least two frames.")
    if len({(k.width, k.height, k.projection) for k in keys}) > 1:
        raise CameraError("The cameras differ in size or projection; give them one with --size.")
    places = np.array([key.position for key in keys])
    turns = [_turn(a, b) for a, b in itertools.pairwise(keys)]
    lengths = np.linalg.norm(np.diff(places, axis=0), axis=1)
    scale = max(float(lengths.max()), 1e-6)
    # a turn on the spot takes time too: a radian as long as the longest way
    times = np.cumsum([0.0, *(lengths / scale + [angle / np.pi for _, angle in turns] + 1e-9)])
    knots = np.cumsum([0.0, *np.sqrt(np.maximum(lengths, 1e-9 * scale))])
    made = []
    for at in np.linspace(0.0, times[-1], frames):
        i = int(np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(keys) - 2))
        part = float(np.clip((at - times[i]) / (times[i + 1] - times[i]), 0, 1))
        c2w = np.eye(4)
        axis, angle = turns[i]
        c2w[:3, :3] = rotation(axis, angle * part) @ keys[i].c2w[:3, :3]
        c2w[:3, 3] = _spline(places, knots, i, part)
        K = (1 - part) * keys[i].K + part * keys[i + 1].K
        made.append(replace(keys[i], K=K, c2w=c2w))
    return made


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """(3, 3) turn by `angle` radians about the unit vector `axis` (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _turn(a: Camera, b: Camera) -> tuple[np.ndarray, float]:
    """Axis and angle of the shortest turn from one camera's orientation to the other's."""
    return _axis_angle(b.c2w[:3, :3] @ a.c2w[:3, :3].T)


def _axis_angle(between: np.ndarray) -> tuple[np.ndarray, float]:
    """Unit axis and angle in [0, pi] of a rotation (3, 3)."""
    values, vectors = np.linalg.eigh(0.5 * (between + between.T))
    axis = vectors[:, int(np.argmax(values))]
    angle = float(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1)))
    if np.trace(between @ rotation(axis, -angle)) < np.trace(between @ rotation(axis, angle)):
        axis = -axis
    return axis, angle


def _spline(places: np.ndarray, knots: np.ndarray, i: int, part: float) -> np.ndarray:
    """The point of segment i, by Barry and Goldman's pyramid on the knots of four places."""
    before = places[i - 1] if i else 2 * places[0] - places[1]
    after = places[i + 2] if i + 2 < len(places) else 2 * places[-1] - places[-2]
    p = np.array([before, places[i], places[i + 1], after])
    step = knots[i + 1] - knots[i]
    t = np.array([
        knots[i] - (knots[i] - knots[i - 1] if i else step), knots[i], knots[i + 1],
        knots[i + 1] + (knots[i + 2] - knots[i + 1] if i + 2 < len(places) else step),
    ])  # fmt: skip
    at = t[1] + part * step

    def mix(a: np.ndarray, b: np.ndarray, low: float, high: float) -> np.ndarray:
        return ((high - at) * a + (at - low) * b) / (high - low)

    first = [mix(p[j], p[j + 1], t[j], t[j + 1]) for j in range(3)]
    second = [mix(first[j], first[j + 1], t[j], t[j + 2]) for j in range(2)]
    return mix(second[0], second[1], t[1], t[2])


def key_poses(c2w: np.ndarray, reach: float, angle: float) -> list[int]:
    """Of poses (N, 4, 4) at even times, those that keys belong on, in order, with both ends.

    Between two of them every pose lies within `reach` (metres) of the straight way at even speed,
    and within `angle` (radians) of the shortest turn: Douglas and Peucker's choice.
    """
    kept, open_ = {0, len(c2w) - 1}, [(0, len(c2w) - 1)]
    while open_:
        first, last = open_.pop()
        if last - first < 2:
            continue
        part = np.arange(1, last - first) / (last - first)
        way = c2w[last, :3, 3] - c2w[first, :3, 3]
        off = c2w[first + 1 : last, :3, 3] - c2w[first, :3, 3] - part[:, None] * way
        between = c2w[last, :3, :3] @ c2w[first, :3, :3].T
        axis, whole = _axis_angle(between)
        turned = np.array([rotation(axis, whole * p) @ c2w[first, :3, :3] for p in part])
        same = np.einsum("nij,nij->n", turned, c2w[first + 1 : last, :3, :3])
        askew = np.arccos(np.clip((same - 1) / 2, -1, 1))
        fault = np.maximum(np.linalg.norm(off, axis=1) / reach, askew / angle)
        worst = int(fault.argmax())
        if fault[worst] > 1:
            middle = first + 1 + worst
            kept.add(middle)
            open_ += [(first, middle), (middle, last)]
    return sorted(kept)
