# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a frame, to be looked at from beside: a mesh cut where its depth has steps. No bpy.

It has two layers. The relief is what the frame shows: a grid over the picture, moved out by its
depth. A cell with a step in it is there twice, as near as what is before the step and as far as
what is behind it, and each pixel is drawn with the one it belongs to. The backdrop is a guess at
what a move uncovers: the relief from which what stands in front is peeled off, its place taken by
the depth and the colours of what is behind.

Heights are one by depth, where the view is parallel depth times minus one: in those any plane is
linear in the picture, so that a floor at a grazing angle has no steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend.shared.camera import Camera
from ..display import without_twos

CELLS = 64
"""Of the longer side of a picture, at most."""
_STEP = 0.04
"""Share of the nearer height by which another is behind a step."""
_STEP_PIXELS = 8
"""The same of parallel views, in sides of a pixel."""
_PEELED = 8
"""Cells of what stands in front that the backdrop goes without: an eighth of the picture."""
_BOTTOMLESS = -1e9


@dataclass(frozen=True, eq=False)
class Relief:
    """A frame's mesh, and its backdrop's. Places are shares of width and height, y upwards.

    heights: (H, W) float32, row 0 at the bottom, as `without_twos` leaves them.
    vertices, behind: (N, 4) float32, place, height, and without its sign the height that parts the
    layers of a cell with a step, here + where higher pixels are drawn and - where lower ones are; 0
    where all are.
    triangles, behind_triangles: (M, 3) int32. behind_rgba: (R, C, 4) float32, scene linear, row 0
    at the bottom, a pixel for each vertex and as `without_twos` leaves them. behind_size: C and R
    before that.
    """

    heights: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray
    behind: np.ndarray
    behind_triangles: np.ndarray
    behind_rgba: np.ndarray
    behind_size: tuple[int, int]

    @classmethod
    def of(cls, depth: np.ndarray, rgba: np.ndarray, camera: Camera) -> Relief:
        """Takes its time: not for a draw.

        depth: (H, W) float32 metres, 0 = unknown or sky. rgba: (H, W, 4) float32. Both have row 0
        at the bottom.
        """
        depth, rgba = _two_at_least(depth), _two_at_least(rgba)
        share, least = (0.0, _STEP_PIXELS / camera.K[0, 0])
        if not camera.is_orthographic:
            share, least = _STEP, 1e-6
        high = _heights(depth, camera.is_orthographic)
        high = _grown(high, _step_sizes(high, share, least))
        steps = _step_sizes(high, share, least)
        rows, columns = _lines(depth.shape)
        corners = high[np.ix_(rows, columns)]
        places = _places(rows, columns, depth.shape)
        vertices = np.concatenate([places, corners.reshape(-1, 1), np.zeros((len(places), 1))], 1)
        quads = _quads(*corners.shape)
        cut = _Cut.of(high, steps, rows, columns)
        whole = np.ones(len(quads), bool)
        whole[cut.cells] = False
        more = [cut.layer(places[quads[cut.cells]], near) for near in (True, False)]
        split = len(vertices) + np.arange(8 * len(cut.cells)).reshape(-1, 4)
        behind, colours = _peeled(
            corners, rgba[np.ix_(rows, columns)], _cuts(steps, rows, columns), share, least
        )
        back = vertices.copy()
        back[:, 2] = behind.reshape(-1)
        return cls(
            without_twos(high),
            np.concatenate([vertices, *more]).astype(np.float32),
            _triangles(np.concatenate([quads[whole], split])),
            back.astype(np.float32),
            _triangles(quads),
            without_twos(colours.astype(np.float32)),
            (len(columns), len(rows)),
        )


def _two_at_least(values: np.ndarray) -> np.ndarray:
    """A row or a column of pixels once more where it is the only one: cells lie between two."""
    more = [(0, int(side < 2)) for side in values.shape[:2]]
    return np.pad(values, [*more, *[(0, 0)] * (values.ndim - 2)], mode="edge")


def _heights(depth: np.ndarray, parallel: bool) -> np.ndarray:
    """(H, W) float32 of depth in metres, where 0 = as far as can be."""
    known = depth > 0
    if parallel:
        return np.where(known, -depth, np.float32(_BOTTOMLESS))
    return np.where(known, 1 / np.maximum(depth, np.float32(1e-6)), np.float32(0))


def _lines(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Rows and columns of pixels that vertices stand on."""
    cell = max(1.0, max(shape) / CELLS)
    return [
        np.round(np.linspace(0, side - 1, max(2, round(side / cell) + 1))).astype(int)
        for side in shape
    ]


def _places(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(N, 2) shares of the picture: centres of pixels, but the outermost at its edge."""
    y, x = (
        np.concatenate([[0], (line[1:-1] + 0.5) / side, [1]])
        for line, side in zip((rows, columns), shape, strict=True)
    )
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)


def _quads(rows: int, columns: int) -> np.ndarray:
    """(cells, 4) vertices of each cell: of a row and the next one, left and right."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    return corner + np.array([0, 1, columns, columns + 1])


def _triangles(quads: np.ndarray) -> np.ndarray:
    return quads[:, [0, 1, 2, 1, 3, 2]].reshape(-1, 3).astype(np.int32)


def _step_sizes(high: np.ndarray, share: float, least: float) -> list[np.ndarray]:
    """How many times as high as needed the step is from each pixel to the next one: upwards
    (H - 1, W), and to the right (H, W - 1); 0 where there is none.

    What a slope goes on by is no step: the smaller difference beside is taken off.
    """
    found = []
    for axis in (0, 1):
        rise = np.abs(np.diff(high, axis=axis))
        edged = np.pad(rise, [(int(i == axis),) * 2 for i in range(2)])
        count = rise.shape[axis]
        before, after = (np.take(edged, range(k, k + count), axis) for k in (0, 2))
        upper = np.maximum(_along(high, axis, 0, -1), _along(high, axis, 1, None))
        size = (rise - np.minimum(before, after)) / (share * np.abs(upper) + least)
        found.append(np.where(size > 1, size, np.float32(0)))
    return found


def _grown(high: np.ndarray, steps: list[np.ndarray]) -> np.ndarray:
    """(H, W) heights, each step a pixel further out: there the colours of both sides are mixed, and
    stay with what is before it. Else they would draw its outline onto what is behind."""
    grown = high.copy()
    for axis, step in enumerate(steps):
        lower, upper = (_along(high, axis, *ends) for ends in ((0, -1), (1, None)))
        for ends, other in (((0, -1), upper), ((1, None), lower)):
            mine = _along(grown, axis, *ends)
            np.maximum(mine, other, out=mine, where=step > 0)
    return grown


def _along(values: np.ndarray, axis: int, start: int, end: int | None) -> np.ndarray:
    return values[start:end] if axis == 0 else values[:, start:end]


@dataclass(frozen=True, eq=False)
class _Cut:
    """The cells with a step. pixels: (C, k, k) heights of what is in each. parts: (C,) the height
    between both sides of its largest step. corners: (C, 4) heights of its vertices."""

    cells: np.ndarray
    pixels: np.ndarray
    parts: np.ndarray
    corners: np.ndarray

    @classmethod
    def of(
        cls, high: np.ndarray, steps: list[np.ndarray], rows: np.ndarray, columns: np.ndarray
    ) -> _Cut:
        most = np.maximum(
            *[
                _largest(_largest(step, rows, 0, axis == 1), columns, 1, axis == 0)
                for axis, step in enumerate(steps)
            ]
        )
        row, column = np.nonzero(most)
        y, x = _spans(rows, row)[:, :, None], _spans(columns, column)[:, None, :]
        pixels = high[y, x]
        return cls(
            row * (len(columns) - 1) + column,
            pixels,
            _middle(high, steps, y, x),
            pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]],
        )

    def layer(self, places: np.ndarray, near: bool) -> np.ndarray:
        """(4 C, 4) vertices of the cells as near, or as far, as one side of their steps.

        places: (C, 4, 2). A corner of the other side continues what this one's are like.
        """
        parts = self.parts[:, None]
        same, inside = (self.corners >= parts) == near, (self.pixels >= parts[:, None]) == near
        filled = np.where(same, self.corners, _continued(self.pixels, inside))
        signed = np.broadcast_to(np.abs(parts) * (1 if near else -1), filled.shape)
        return np.concatenate([places, filled[..., None], signed[..., None]], -1).reshape(-1, 4)


def _largest(size: np.ndarray, lines: np.ndarray, axis: int, shared: bool) -> np.ndarray:
    """Of the steps between one line and the next. shared: those along the next one are in there."""
    most = np.maximum.reduceat(_along(size, axis, 0, lines[-1]), lines[:-1], axis=axis)
    return np.maximum(most, np.take(size, lines[1:], axis)) if shared else most


def _cuts(steps: list[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """Whether there is a step from each vertex to the next one."""
    upwards, aside = steps[0][:, columns], steps[1][rows]
    return [_largest(upwards, rows, 0, False) > 0, _largest(aside, columns, 1, False) > 0]


def _spans(lines: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(C, k) pixels from each line of `at` to the next one, the last repeated."""
    most = np.diff(lines).max()
    return np.minimum(lines[at][:, None] + np.arange(most + 1), lines[at + 1][:, None])


def _middle(high: np.ndarray, steps: list[np.ndarray], y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(C,) heights between both sides of the largest step among the pixels of each cell."""
    best = np.zeros(len(y), np.float32)
    parts = np.zeros(len(y), np.float32)
    heres, theres = ((y[:, :-1], x), (y, x[:, :, :-1])), ((y[:, 1:], x), (y, x[:, :, 1:]))
    for axis, (step, here, there) in enumerate(zip(steps, heres, theres, strict=True)):
        low, left = (np.minimum(at, side - 1) for at, side in zip(here, step.shape, strict=True))
        inside = here[axis] != there[axis]  # else its last pixel once more
        sizes = _flat(np.where(inside, step[low, left], 0))
        middle = _flat(high[here] + high[there]) / 2
        at = sizes.argmax(1)[:, None]
        size, part = (np.take_along_axis(v, at, 1)[:, 0] for v in (sizes, middle))
        parts = np.where(size > best, part, parts)
        best = np.maximum(best, size)
    return parts


def _flat(values: np.ndarray) -> np.ndarray:
    """(C, k * l) of (C, k, l), of which C may be 0."""
    return values.reshape(len(values), values.shape[1] * values.shape[2])


def _continued(pixels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(C, 4) heights of the corners on the plane through the chosen pixels (C, k, l) of each cell,
    in the least-squares sense, but no further from them than they are from each other."""
    count = len(pixels)
    v, u = np.meshgrid(*[np.linspace(-1, 1, k) for k in pixels.shape[1:]], indexing="ij")
    terms = np.stack([np.ones_like(u), u, v]).reshape(3, -1)
    weight = _flat(chosen).astype(np.float64)
    heights = _flat(np.where(chosen, pixels, 0)).astype(np.float64)
    products = (terms[:, None] * terms[None]).reshape(9, -1)
    normal = (weight @ products.T).reshape(count, 3, 3) + np.diag([1e-9, 0.1, 0.1])
    plane = np.linalg.solve(normal, (heights @ terms.T)[..., None])[..., 0]
    corners = plane @ terms.reshape(3, *u.shape)[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    least = np.where(chosen, pixels, np.inf).min((1, 2))[:, None]
    most = np.where(chosen, pixels, -np.inf).max((1, 2))[:, None]
    return np.clip(corners, 2 * least - most, 2 * most - least)


def _peeled(
    high: np.ndarray, rgba: np.ndarray, cuts: list[np.ndarray], share: float, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Heights (R, C) and colours (R, C, 4) without what stands in front of something.

    cuts: whether a step is between each vertex and the next one, (R - 1, C) and (R, C - 1). What is
    before a step becomes the mean of what is behind it; from there this goes on over what is not
    cut. Each vertex changes once: behind a table is the wall, and not what is behind the wall.
    """
    values = np.concatenate([high[..., None], rgba], -1).astype(np.float64)
    front = np.zeros(high.shape, bool)
    for turn in range(_PEELED):
        total, count = np.zeros_like(values), np.zeros(high.shape)
        for axis, cut in enumerate(cuts):
            for here, there in (((0, -1), (1, None)), ((1, None), (0, -1))):
                mine, other = (_along(values, axis, *ends) for ends in (here, there))
                above = mine[..., 0] - other[..., 0] > share * np.abs(mine[..., 0]) + least
                over = above & ~_along(front, axis, *here)
                over &= cut if not turn else _along(front, axis, *there) & ~cut
                _along(total, axis, *here)[...] += np.where(over[..., None], other, 0)
                _along(count, axis, *here)[...] += over
        changed = count > 0
        values[changed] = total[changed] / count[changed][:, None]
        front |= changed
    return values[..., 0], values[..., 1:]
