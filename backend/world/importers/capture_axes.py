# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way is up in a reconstruction, and how its walls run: each picture's lines have a vote."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data.capture_views import CaptureView
from ...data.lines import detect_segments
from ...data.photos import read_photo
from ..photo.vanishing import match_segments
from .gauge import picture_up, upright_turn

MOST_VOTES = 8
"""Pictures that are asked, evenly spread over all."""
WORKING_SIDE = 1280
SAME = np.radians(4.0)
FARTHEST = np.radians(35.0)
"""Between the agreed up and that of the cameras; beyond it something else was found."""
SURE_ALONE = 0.45
"""Confidence from which the lines of a single picture are believed."""
_FILM_DIAGONAL = 43.2666


@dataclass(frozen=True, eq=False)
class Vote:
    """axes: (3, 3), rows = directions at right angles in the reconstruction. confidence: 0 to 1."""

    axes: np.ndarray
    confidence: float


def level_turn(views: Sequence[CaptureView]) -> np.ndarray:
    """(3, 3) rotation from the reconstruction's axes to the world's, z up.

    Up is as the cameras were held, made exact by the directions that the pictures' lines agree on;
    x and y then run along these.
    """
    cameras = np.array([view.c2w for view in views])
    guess = upright_turn(cameras, np.array([picture_up(view.picture) for view in views]))
    chosen = np.unique(np.linspace(0, len(views) - 1, MOST_VOTES).round().astype(int))
    votes = [vote_of(views[i]) for i in chosen]
    agreed = agreed_turn([vote for vote in votes if vote is not None], guess)
    return guess if agreed is None else agreed


def vote_of(view: CaptureView) -> Vote | None:
    """What the lines of one picture say; None where they do not agree on a camera."""
    photo = read_photo(view.picture, WORKING_SIDE, min_side=1, upright=False)
    camera = view.lens.scaled(*photo.size).colmap()
    ends = np.asarray(camera.cam_from_img(detect_segments(photo.rgb).reshape(-1, 2)), np.float64)
    focal = float(camera.mean_focal_length())
    return lines_vote(ends.reshape(-1, 4), focal, photo.size, view.c2w, picture_up(view.picture))


def lines_vote(
    lines: np.ndarray, focal: float, size: tuple[int, int], c2w: np.ndarray, up: tuple[int, int]
) -> Vote | None:
    """As `vote_of`, from lines (N, 4) on the plane z = 1 before the camera.

    focal: pixels. size: width and height, pixels. up: `picture_up`.
    """
    turn = np.array([[-up[1], up[0], 0.0], [-up[0], -up[1], 0.0], [0.0, 0.0, 1.0]])
    width, height = size if up[0] == 0 else size[::-1]
    ends = lines[np.isfinite(lines).all(axis=1)].reshape(-1, 2) @ turn[:2, :2].T
    pixels = (ends * focal + np.array([width, height]) / 2).reshape(-1, 4)
    match = match_segments(pixels, width, height, focal / np.hypot(*size) * _FILM_DIAGONAL)
    if not match.confidence:
        return None
    return Vote(match.rotation @ turn @ c2w[:3, :3].T, match.confidence)


def agreed_turn(votes: Sequence[Vote], guess: np.ndarray) -> np.ndarray | None:
    """(3, 3) the axes that most of the votes share, those nearest to `guess`; None without such.

    Directions at right angles are told apart only by which is up and which way the guess faced.
    """
    best: tuple[float, list[int]] = (0.0, [])
    for first in votes:
        near = [i for i, vote in enumerate(votes) if _angle(_nearest(vote.axes, first.axes),
                                                            first.axes) < SAME]  # fmt: skip
        weight = sum(votes[i].confidence for i in near)
        best = max(best, (weight, near))
    weight, near = best
    alone = len(near) == 1 and votes[near[0]].confidence < SURE_ALONE
    if not near or alone or weight < 0.5 * sum(vote.confidence for vote in votes):
        return None
    shared = votes[near[0]].axes
    total = np.sum([votes[i].confidence * _nearest(votes[i].axes, shared) for i in near], axis=0)
    u, _, vt = np.linalg.svd(total)
    found = _nearest(u @ vt, guess)
    tilt = np.arccos(np.clip(found[2] @ guess[2], -1, 1))
    return found if tilt < FARTHEST else None


def _quarter_turns() -> np.ndarray:
    """(24, 3, 3) the rotations that bring the axes onto one another."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return np.array(found)


_TURNS = _quarter_turns()


def _nearest(axes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The same three directions in the order and with the signs nearest to those wanted."""
    turned = _TURNS @ axes
    return turned[int((turned * wanted).sum(axis=(1, 2)).argmax())]


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """Radians between two rotations."""
    return float(np.arccos(np.clip(((a * b).sum() - 1) / 2, -1, 1)))
