# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a photo's lens bends straight lines, told from the lines themselves.

What is straight in the world is straight in a pinhole's picture (the plumb line of Brown,
"Close-range camera calibration", 1971). Long edges are followed through the photo, and the one
radial coefficient that makes most of them straight is looked for. It counts only where edges on
several sides agree: round things bend each in their own way, a lens bends all lines in one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ...data.lines import find_pieces, working_grey
from ...shared.camera_match import MOST_DISTORTION as REACH

LEAST = 0.015
"""Smaller coefficients are not worth resampling a photo for."""
LONG_ENOUGH = 0.2
"""Of the diagonal, that an edge has to go on for."""
FEWEST = 4
ENOUGH = 1.5
"""Edges' worth of straightness that must be won."""
MOST_EDGES = 100
NOISE = 0.25
"""Pixels of the working size that the straightest of edges are bent by."""
_SHORTEST_PIECE, _SEED = 0.008, 0.04
_STEP, _BINS = 3.0, 24
_BAND = 256
_MARGIN = 0.03
"""Of the diagonal; an edge that never leaves this border is that of a frame around the photo, or of
a picture that was made straight before."""


@dataclass(frozen=True, eq=False)
class Edge:
    """points: (_BINS, 2) along an edge, pixels from the picture's centre. length: pixels."""

    points: np.ndarray
    length: float


def find_distortion(rgb: np.ndarray) -> float:
    """The coefficient k of r = r_bent / (1 + k r_bent^2), radii in half diagonals of the photo.

    rgb: (H, W, 3) uint8. 0 where the lines do not clearly ask for another; negative = barrel.
    """
    grey = working_grey(rgb)
    return fit_distortion(follow_edges(grey), math.hypot(*grey.shape) / 2)


def straightened(rgb: np.ndarray, coefficient: float) -> tuple[np.ndarray, float]:
    """The photo as a pinhole would have taken it, and by how much less it shows or more.

    rgb: (H, W, 3) uint8. Returns a picture of the same size, without borders that the photo does
    not show, and the factor on the focal length in pixels that goes with it.
    """
    height, width = rgb.shape[:2]
    half = math.hypot(width, height) / 2
    zoom = straightening_zoom(coefficient, width, height)
    made = np.empty_like(rgb)
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / (half * zoom)
    for top in range(0, height, _BAND):
        rows = np.arange(top, min(top + _BAND, height), dtype=np.float32)
        y = ((rows + 0.5 - height / 2) / (half * zoom))[:, None]
        # r_bent of r: the smaller root of k r r_bent^2 - r_bent + r = 0
        grown = 2 * half / (1 + np.sqrt(np.maximum(1 - 4 * coefficient * (x * x + y * y), 0)))
        made[top : top + _BAND] = cv2.remap(
            rgb, x * grown + (width / 2 - 0.5), y * grown + (height / 2 - 0.5), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    return made, zoom


def straightening_zoom(coefficient: float, width: int, height: int) -> float:
    """The factor on the focal length in pixels that `straightened` brings."""
    # the side that comes nearest to the centre fills the picture, or a corner where lines bulge in
    nearest = min(width, height) / math.hypot(width, height) if coefficient < 0 else 1.0
    return 1.0 + coefficient * nearest**2


def fit_distortion(edges: list[Edge], half: float) -> float:
    """As `find_distortion`, from edges. half: half the diagonal in their pixels."""
    if len(edges) < FEWEST:
        return 0.0
    points = np.stack([e.points for e in edges])
    weight = np.array([e.length for e in edges])
    best = _straightest(points, weight, half)
    if not LEAST < abs(best) < REACH or not _supported(points, weight, half, best):
        return 0.0
    return best


def _straightest(points: np.ndarray, weight: np.ndarray, half: float) -> float:
    """The coefficient in -REACH to REACH that makes the most length of edges straight."""
    grid, step = np.linspace(-REACH, REACH, 61), REACH / 30
    best = 0.0
    for _ in range(3):
        score = [weight @ straightness(points, half, k) for k in grid]
        best = float(grid[int(np.argmax(score))])
        grid = np.linspace(best - step, best + step, 21)
        step /= 10
    return best


def straightness(points: np.ndarray, half: float, coefficient: float) -> np.ndarray:
    """(N,) 1 = straight, 0 = bent, of edges (N, B, 2) once the distortion is taken away."""
    straight = undistorted(points / half, coefficient) * half
    bend, waver = _bend(straight)
    # as large as in the photo, or a coefficient that shrinks all would seem to straighten it
    shrunk = _spread(points) / np.maximum(_spread(straight), 1e-9)
    return 1.0 / (1.0 + (bend * shrunk) ** 2 / (NOISE**2 + (waver * shrunk) ** 2))


def undistorted(bent: np.ndarray, coefficient: float) -> np.ndarray:
    """(..., 2) where a pinhole has the points (..., 2), in half diagonals from the centre."""
    return bent / (1.0 + coefficient * (bent**2).sum(axis=-1, keepdims=True))


def _spread(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, -1] - points[:, 0], axis=1)


def _bend(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square distances (N,) of points (N, B, 2) from straight lines: of the parabolas
    through them, and of the points from these."""
    centred = points - points.mean(axis=1, keepdims=True)
    axis = points[:, -1] - points[:, 0]
    axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9)
    along = np.einsum("nbi,ni->nb", centred, axis)
    across = centred[..., 1] * axis[:, None, 0] - centred[..., 0] * axis[:, None, 1]
    along /= np.maximum(np.abs(along).max(axis=1, keepdims=True), 1e-9)
    basis = np.linalg.qr(np.stack([np.ones_like(along), along, along**2], axis=2))[0]
    parts = np.einsum("nbk,nb->nk", basis, across)
    rest = np.maximum((across**2).sum(axis=1) - (parts**2).sum(axis=1), 0.0)
    return np.abs(parts[:, 2]) / points.shape[1] ** 0.5, np.sqrt(rest / points.shape[1])


def _supported(points: np.ndarray, weight: np.ndarray, half: float, best: float) -> bool:
    """Whether edges that lie in two directions from the centre each ask for `best`.

    In one direction alone steps, kerbs and arches may well bend alike.
    """
    after = straightness(points, half, best)
    gain = after - straightness(points, half, 0.0)
    for_it, against = np.maximum(gain, 0.0), np.maximum(-gain, 0.0)
    foot = _feet(points)
    here = foot @ foot[int(np.argmax(for_it * weight))] > 0.8
    if for_it.sum() < ENOUGH:
        return False
    for side in (here, ~here):
        if for_it[side].sum() < max(ENOUGH / 3, 4 * against[side].sum()):
            return False
        own = _straightest(points[side], weight[side], half)
        could = weight[side] @ straightness(points[side], half, own)
        if weight[side] @ after[side] < 0.85 * could:
            return False
    return True


def _feet(points: np.ndarray) -> np.ndarray:
    """(N, 2) unit vectors from the centre towards the nearest points of edges (N, B, 2)."""
    along = points[:, -1] - points[:, 0]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    foot = across * (points.mean(axis=1) * across).sum(axis=1, keepdims=True)
    return foot / np.maximum(np.linalg.norm(foot, axis=1, keepdims=True), 1e-9)


def follow_edges(grey: np.ndarray) -> list[Edge]:
    """Long edges of a picture (H, W) uint8: pieces of lines that continue one another smoothly."""
    pieces = find_pieces(grey, _SHORTEST_PIECE)
    centre = np.array([grey.shape[1], grey.shape[0]]) / 2
    diagonal = float(np.hypot(*grey.shape))
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0).astype(np.float32)
    free = np.ones(len(pieces), bool)
    length = np.linalg.norm(pieces[:, 2:] - pieces[:, :2], axis=1)
    edges: list[Edge] = []
    for seed in range(len(pieces)):
        if length[seed] < _SEED * diagonal or len(edges) == MOST_EDGES:
            break
        if not free[seed]:
            continue
        members = _continued(pieces, free, seed, diagonal)
        free[members] = False
        edge = _measured(smooth, pieces[members], pieces[seed], diagonal)
        if edge is None:
            continue
        points = edge.points - centre
        if (centre - np.abs(points)).min(axis=1).max() > _MARGIN * diagonal:
            edges.append(Edge(points, edge.length))
    return edges


def _continued(pieces: np.ndarray, free: np.ndarray, seed: int, diagonal: float) -> np.ndarray:
    """Numbers of the free pieces on the same smooth curve as piece `seed`."""
    ends, slope = _in_frame(pieces, pieces[seed])
    along, across = ends[..., 0], ends[..., 1]
    members = np.array([seed])
    for _ in range(8):
        a, b = along[members].ravel(), across[members].ravel()
        # a cubic's bend beyond its ends is a guess; a parabola's is what a lens does at first
        curve = np.polyfit(a, b, 2) if len(members) > 1 else np.polyfit(a, b, 1)
        low, high = a.min(), a.max()
        reach = 0.25 * (high - low) + 0.01 * diagonal
        beyond = np.maximum(np.maximum(low - along, along - high), 0.0)
        off = np.abs(across - np.polyval(curve, along)) - 0.05 * beyond
        turn = np.abs(slope - np.polyval(np.polyder(curve), along.mean(axis=1)))
        fits = free & (off.max(axis=1) < 1.5) & (turn < 0.09) & (beyond.min(axis=1) < reach)
        fits[members] = True
        more = np.flatnonzero(fits)
        if len(more) == len(members):
            break
        members = more
    return members


def _in_frame(pieces: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends (N, 2, 2) of pieces along and across the line `seed`, and their slopes (N,).

    Pieces that run the other way, with dark and light exchanged, get infinite slopes.
    """
    axis = seed[2:] - seed[:2]
    axis = axis / np.linalg.norm(axis)
    turn = np.stack([axis, [-axis[1], axis[0]]])
    ends = (pieces.reshape(-1, 2, 2) - (seed[:2] + seed[2:]) / 2) @ turn.T
    step = ends[:, 1] - ends[:, 0]
    ahead = step[:, 0] > 0
    slope = np.full(len(pieces), np.inf)
    slope[ahead] = step[ahead, 1] / step[ahead, 0]
    return ends, slope


def _measured(
    smooth: np.ndarray, pieces: np.ndarray, seed: np.ndarray, diagonal: float
) -> Edge | None:
    """The edge along pieces (N, 4) to a fraction of a pixel; None where it is too short or thin."""
    step = pieces[:, 2:] - pieces[:, :2]
    length = np.linalg.norm(step, axis=1)
    where, normal = [], []
    for piece, way, long in zip(pieces, step, length, strict=True):
        t = np.arange(0.5, max(long / _STEP, 1.0)) * _STEP / long
        where.append(piece[:2] + t[:, None] * way)
        normal.append(np.tile([-way[1] / long, way[0] / long], (len(t), 1)))
    found = _steepest(smooth, np.concatenate(where), np.concatenate(normal))
    axis = (seed[2:] - seed[:2]) / np.linalg.norm(seed[2:] - seed[:2])
    along = found @ axis
    if len(found) < 2 * _BINS:
        return None
    extent = float(np.ptp(along))
    if extent < LONG_ENOUGH * diagonal or len(found) * _STEP < 0.5 * extent:
        return None
    parts = np.array_split(found[np.argsort(along)], _BINS)
    return Edge(np.stack([np.median(p, axis=0) for p in parts]), extent)


def _steepest(smooth: np.ndarray, where: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(M, 2) of points (N, 2): moved along their normals to where brightness changes most."""
    offset = np.arange(-3.5, 3.6, 0.5)
    at = where[:, None] + offset[:, None] * normal[:, None] - 0.5
    value = cv2.remap(smooth, at[..., 0].astype(np.float32), at[..., 1].astype(np.float32),
                      cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    change = value[:, 2:] - value[:, :-2]
    change = change * np.sign(change.sum(axis=1, keepdims=True))
    top = change.argmax(axis=1)
    inner = (top > 0) & (top < change.shape[1] - 1)
    row, top = np.flatnonzero(inner), top[inner]
    left, middle, right = (change[row, top + i] for i in (-1, 0, 1))
    shift = 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-6)
    moved = offset[top + 1] + 0.5 * np.clip(shift, -1, 1)
    return where[row] + moved[:, None] * normal[row]
