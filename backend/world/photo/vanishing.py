# SPDX-License-Identifier: GPL-3.0-or-later
"""Focal length and orientation from line segments of three directions at right angles.

Hypotheses from three segments at each of a ladder of focal lengths (as Bazin and Pollefeys,
"3-line RANSAC for orthogonal vanishing point detection", 2012), scored by how much segment length
points at one of the three vanishing points, the best refined by Gauss-Newton with a prior on the
focal length. The same search on segments turned at random says what chance would score.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...data.lines import detect_segments
from ...data.photos import Photo
from ...shared.camera_match import CameraMatch, default_focal, level_match, upright
from .distortion import find_distortion, straightened

TOLERANCE = math.radians(1.5)
NOISE = math.radians(0.6)
"""Standard deviation of a segment's direction, for the prior's weight."""
HYPOTHESES = 160
FEWEST_SEGMENTS = 8
LEAST_CONFIDENCE = 0.25
STEEPEST = math.radians(65)


def straighten_and_match(photo: Photo, seed: int = 0) -> tuple[np.ndarray, CameraMatch]:
    """(H, W, 3) uint8, the photo with what its lens bent made straight, and the camera of that.

    The match says how much it was, and has a note for the user.
    """
    coefficient = find_distortion(photo.rgb)
    if not coefficient:
        return photo.rgb, match_photo(photo.rgb, photo.focal_35mm, seed)
    rgb, zoom = straightened(photo.rgb, coefficient)
    focal_35mm = photo.focal_35mm and photo.focal_35mm * zoom
    match = match_photo(rgb, focal_35mm, seed)
    note = (
        f"The photo's lens bends straight lines (by {100 * abs(coefficient):.0f} % in the "
        "corners); the photo was made straight."
    )
    return rgb, replace(match, distortion=coefficient, notes=[note, *match.notes])


def match_photo(rgb: np.ndarray, focal_35mm: float | None = None, seed: int = 0) -> CameraMatch:
    """The camera of a photo. rgb: (H, W, 3) uint8; focal_35mm: from EXIF, or None.

    Where too few straight lines agree, a level camera is assumed and the notes say so.
    """
    height, width = rgb.shape[:2]
    return match_segments(detect_segments(rgb), width, height, focal_35mm, seed)


def match_segments(
    segments: np.ndarray, width: int, height: int, focal_35mm: float | None = None, seed: int = 0
) -> CameraMatch:
    """As `match_photo`, from segments (N, 4) in pixels."""
    guess = default_focal(width, height, focal_35mm)
    spread = 0.06 if focal_35mm else 0.45
    if len(segments) < FEWEST_SEGMENTS:
        return level_match(width, height, focal_35mm, [
            "Too few straight lines to find the camera; a level camera is assumed, adjust it with "
            "the handles."])  # fmt: skip
    rng = np.random.default_rng(seed)
    lines = _Lines(segments, width, height)
    focal, axes, score = _search(lines, guess, spread, rng)
    chance = _search(lines.turned(rng), guess, spread, rng)[2]
    confidence = float(np.clip((score - chance) / max(1.0 - chance, 1e-6), 0.0, 1.0))
    if confidence < LEAST_CONFIDENCE:
        return level_match(width, height, focal_35mm, [
            "The lines of the photo do not agree on a camera; a level one is assumed, adjust it "
            "with the handles."])  # fmt: skip
    focal, axes, certainty = _refine(lines, focal, axes, guess, spread)
    known = certainty < 0.08
    if not known:  # what the lines leave open, the usual lens decides
        focal, axes, _ = _refine(lines, guess / lines.scale, axes, guess, 0.02)
    match = CameraMatch(
        focal,
        np.array([width / 2, height / 2]),
        upright(axes),
        width,
        height,
        confidence,
        known,
    )
    if known:
        return match
    return replace(match, notes=[
        "The lines fix the camera's direction but hardly its focal length; check it or type it in."
    ])  # fmt: skip


class _Lines:
    """Segments relative to the centre, in units of the longer side. weight sums to 1."""

    def __init__(self, segments: np.ndarray, width: int, height: int) -> None:
        self.scale = float(max(width, height))
        centred = (segments - np.array([width, height, width, height]) / 2) / self.scale
        delta = centred[:, 2:] - centred[:, :2]
        length = np.linalg.norm(delta, axis=1)
        self.middle = (centred[:, 2:] + centred[:, :2]) / 2
        self.direction = delta / length[:, None]
        self.weight = length / length.sum()

    def turned(self, rng: np.random.Generator) -> _Lines:
        """The same segments, each turned at random about its middle."""
        other = object.__new__(_Lines)
        angle = rng.uniform(0, math.pi, len(self.weight))
        other.scale, other.middle, other.weight = self.scale, self.middle, self.weight
        other.direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return other

    def normals(self, focal: float) -> np.ndarray:
        """(N, 3) unit normals of the planes through the camera and each segment."""
        n = np.empty((len(self.weight), 3))
        x, y = (self.middle / focal).T
        dx, dy = (self.direction / focal).T
        n[:, 0], n[:, 1], n[:, 2] = -dy, dx, x * dy - y * dx
        return n / np.linalg.norm(n, axis=1, keepdims=True)

    def sines(self, axes: np.ndarray, focal: float | np.ndarray) -> np.ndarray:
        """(..., 3, N) sine between each segment and the line from its middle to the vanishing
        points of `axes` (..., 3, 3), rows = directions in the camera's frame."""
        point = axes * np.array([1.0, 1.0, 0.0]) * focal + axes * np.array([0.0, 0.0, 1.0])
        tx = point[..., 0:1] - point[..., 2:3] * self.middle[:, 0]
        ty = point[..., 1:2] - point[..., 2:3] * self.middle[:, 1]
        cross = tx * self.direction[:, 1] - ty * self.direction[:, 0]
        return cross / np.sqrt(tx * tx + ty * ty + 1e-18)


def _search(
    lines: _Lines, guess: float, spread: float, rng: np.random.Generator
) -> tuple[float, np.ndarray, float]:
    """Focal (in longer sides), axes (3, 3) and score in [0, 1] of the best hypothesis."""
    ladder = (guess / lines.scale) * np.exp(np.linspace(-1.6, 1.6, 17) * spread)
    best: tuple[float, np.ndarray, float] = (ladder[8], np.eye(3), -1.0)
    steep = np.abs(lines.direction[:, 1]) > math.cos(math.radians(30))
    chance_vertical = lines.weight * np.where(steep, 1.0, 0.05)
    chance_vertical /= chance_vertical.sum()
    for focal in ladder:
        normals = lines.normals(focal)
        axes = _hypotheses(normals, lines.weight, chance_vertical, rng)
        axes = axes[np.abs(axes[:, 0, 1]) > math.cos(STEEPEST)]
        if not len(axes):
            continue
        sine = lines.sines(axes, focal)
        near = np.exp(-((sine / TOLERANCE) ** 2)).max(axis=1)
        score = near @ lines.weight - 0.004 * (np.log(focal / (guess / lines.scale)) / spread) ** 2
        top = int(np.argmax(score))
        if score[top] > best[2]:
            best = (float(focal), axes[top], float(score[top]))
    return best


def _hypotheses(
    normals: np.ndarray, weight: np.ndarray, vertical: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(M, 3, 3) orthonormal rows, the first upright: two segments give it, a third the second."""
    n = len(normals)
    a, b = (rng.choice(n, HYPOTHESES, p=vertical) for _ in range(2))
    c = rng.choice(n, HYPOTHESES, p=weight)
    first = np.cross(normals[a], normals[b])
    length = np.linalg.norm(first, axis=1)
    # level cameras are common and their verticals meet nowhere near: try them outright too
    first[: HYPOTHESES // 8] = [0.0, 1.0, 0.0]
    length[: HYPOTHESES // 8] = 1.0
    first /= np.maximum(length, 1e-9)[:, None]
    second = np.cross(first, normals[c])
    size = np.linalg.norm(second, axis=1)
    good = (length > 1e-4) & (size > 1e-3)
    first, second = first[good], second[good] / size[good, None]
    return np.stack([first, second, np.cross(first, second)], axis=1)


def _refine(
    lines: _Lines, focal: float, axes: np.ndarray, guess: float, spread: float
) -> tuple[float, np.ndarray, float]:
    """Gauss-Newton over the logarithm of the focal length and a small rotation.

    Returns focal in pixels, axes and the standard deviation of the focal length's logarithm.
    """
    log_focal, prior = math.log(focal), math.log(guess / lines.scale)
    count = len(lines.weight)
    deviation = spread
    for round_ in range(25):
        sigma = TOLERANCE * (2.0 if round_ < 5 else 1.0)

        def residual(step: np.ndarray, base: float = log_focal, frame: np.ndarray = axes):
            return lines.sines(frame @ _rotation(step[1:]).T, math.exp(base + step[0]))

        now = residual(np.zeros(4))
        belongs = np.abs(now).argmin(axis=0)
        pick = (belongs, np.arange(count))
        r = now[pick]
        w = lines.weight * count * np.exp(-((r / sigma) ** 2)) / NOISE**2
        jacobian = np.empty((count, 4))
        for k in range(4):
            step = np.zeros(4)
            step[k] = 1e-5
            plus, minus = residual(step)[pick], residual(-step)[pick]
            jacobian[:, k] = (plus - minus) / 2e-5
        hessian = (jacobian * w[:, None]).T @ jacobian
        gradient = (jacobian * w[:, None]).T @ r
        hessian[0, 0] += 1 / spread**2
        gradient[0] += (log_focal - prior) / spread**2
        step = -np.linalg.solve(hessian + 1e-3 * np.eye(4), gradient)
        step *= min(1.0, 0.15 / max(np.abs(step).max(), 1e-12))
        log_focal += float(step[0])
        axes = axes @ _rotation(step[1:]).T
        deviation = math.sqrt(max(np.linalg.inv(hessian + 1e-3 * np.eye(4))[0, 0], 0.0))
        if np.abs(step).max() < 1e-7:
            break
    return math.exp(log_focal) * lines.scale, axes, deviation


def _rotation(vector: np.ndarray) -> np.ndarray:
    """(3, 3) rotation by the axis-angle `vector` (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        x, y, z = vector
        return np.eye(3) + np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    x, y, z = vector / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k
