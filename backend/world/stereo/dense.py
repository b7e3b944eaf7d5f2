# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of all pictures of a capture: matched view by view, then held against one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ...conditioning.threads import thread_count
from ...data.capture_views import PosedFrame
from ...data.depth_files import resize_depth
from ...shared.camera import Camera
from ..depth_fit import fit_depth
from ..photo.depth_edges import sharpen_edges
from ..progress import Progress, part, silent
from .agree import Agreement, agree
from .ground import Plane, ground_plane
from .match import LIKE, Matched, match
from .views import Plan, View, plan, view_of

SIDE = 640
"""Longer side at which depth is found."""
AGREEING = 2
"""Other views that must see a surface where a view sees it."""
WELL_LIKED = 0.3
"""1 - correlation up to which one other view's word is enough."""
NOTHING = 0.9
"""1 - correlation from which on there was nothing to compare: views that agree there may all have
gone on alike from what is around."""
SKY_PARALLAX = 0.4
"""Pixels: what moves less between all the views might as well be infinitely far."""
MOST_OTHERS = 9
MANY_POINTS = 0.004
"""Part of a view's pixels that show a known point from which on depth is bent to fit them."""
LIKE_GREY, FAR_PIXELS = 0.08, 25.0
"""Difference of brightness, and pixels, that speak as much against filling from somewhere as twice
the nearness."""
THREADS = 4

ON_GROUND = 0.6
"""Probability from which on a pixel that nobody knows lies on the ground that is known."""

Guess = Callable[[np.ndarray, Camera], tuple[np.ndarray, np.ndarray]]
"""(a picture of the working size, its camera) -> (H, W) depth to fill with, and (H, W) how likely
each pixel is ground."""


@dataclass(eq=False)
class Dense:
    """depth: (H, W) float32 of the frame's size. agreed: part of it on which views agree. found:
    (H, W) bool, where it was told by comparing views; the rest is filled in."""

    depth: np.ndarray
    agreed: float
    found: np.ndarray


def dense_depth(
    frames: Sequence[PosedFrame],
    points: np.ndarray | None = None,
    guess: Guess | None = None,
    progress: Progress = silent,
    device: str | None = None,
) -> list[Dense]:
    """Depth of every frame, in order; those that have one keep it and help the others.

    points: (N, 3) world space, known to be seen by some of them. guess: depth of a single picture,
    which fills what the views do not agree on, fitted to what they do. A pixel that would hide
    what another view saw stays unknown (0).
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    views = [view_of(f.camera, f.rgb, f.known, SIDE) for f in frames]
    plans = plan([view.camera for view in views], points)
    matched = _match_all(frames, views, plans, device, part(progress, 0.0, 0.75))
    depths = [_depth(m, v, p, views) for m, v, p in zip(matched, views, plans, strict=True)]
    liked = [m.cost < LIKE for m in matched]
    near = _neighbours(plans)
    first = [
        _agreement(i, views, depths, liked, near[i])
        for i in _told(range(len(frames)), part(progress, 0.75, 0.83), "Comparing depths, view")
    ]
    good = [_good(a, m, n) for a, m, n in zip(first, matched, near, strict=True)]
    depths = [np.where(g, a.depth, d) for g, a, d in zip(good, first, depths, strict=True)]
    sure = [g & (m.cost < NOTHING) for g, m in zip(good, matched, strict=True)]
    ground = None if guess is None else ground_plane([v.camera for v in views], depths, sure)
    done = []
    for i in _told(range(len(frames)), part(progress, 0.83, 1.0), "Completing depth, view"):
        frame = frames[i]
        if frame.depth is not None:
            done.append(Dense(frame.depth, 1.0, frame.depth > 0))
            continue
        depth = _complete(
            i, frame, views, depths, good[i], sure, matched[i], near[i], points, guess, ground
        )
        known = views[i].known
        if known is not None:
            depth = np.where(known, depth, np.float32(0))
        share = float(good[i].mean() if known is None else good[i][known].mean())
        height, width = frame.rgb.shape[:2]
        found = cv2.resize(good[i].view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        done.append(
            Dense(resize_depth(depth.astype(np.float32), width, height), share, found.view(bool))
        )
    return done


def _told(numbers: Sequence[int], progress: Progress, what: str) -> Iterator[int]:
    for count, number in enumerate(numbers):
        progress(count / len(numbers), f"{what} {count + 1} of {len(numbers)}")
        yield number


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Views are worked on side by side; each one's small sums are best left to one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _match_all(
    frames: Sequence[PosedFrame],
    views: list[View],
    plans: list[Plan],
    device: str,
    progress: Progress,
) -> list[Matched]:
    def one(i: int) -> Matched:
        shape = views[i].grey.shape
        given = frames[i].depth
        if given is not None:
            small = resize_depth(given, shape[1], shape[0])
            q = np.where(small > 0, 1 / np.where(small > 0, small, 1), 0).astype(np.float32)
            cost = np.where(small > 0, 0.0, 2.0).astype(np.float32)
            return Matched(q, cost, 1 - cost / 2)
        if not plans[i].sources:
            nothing = np.full(shape, 2.0, np.float32)
            return Matched(np.full(shape, 1 / plans[i].near / 4, np.float32), nothing, 0 * nothing)
        sources = [views[j] for j in plans[i].sources]
        return match(views[i], sources, plans[i].near, plans[i].far, device)

    workers = min(THREADS, thread_count()) if device == "cpu" else 1
    out: list[Matched] = []
    with _one_thread_each(), ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(one, i) for i in range(len(views))]
        try:
            for number, result in enumerate(waiting):
                progress(number / len(views), f"Matching picture {number + 1} of {len(views)}")
                out.append(result.result())
        except BaseException:
            for result in waiting:
                result.cancel()
            raise
    return out


def _depth(matched: Matched, view: View, own: Plan, views: list[View]) -> np.ndarray:
    """(H, W) z-depth, +inf where parallax cannot tell it from infinitely far."""
    apart = [np.linalg.norm(views[j].camera.position - view.camera.position) for j in own.sources]
    baseline = max((float(a) for a in apart), default=1.0)
    least = SKY_PARALLAX / max(view.camera.K[0, 0] * baseline, 1e-9)
    q = matched.q
    return np.where(q > least, 1 / np.maximum(q, 1e-12), np.inf).astype(np.float32)


def _neighbours(plans: list[Plan]) -> list[list[int]]:
    """For every view those it is compared with and those that are compared with it."""
    near = [list(p.sources) for p in plans]
    for i, one in enumerate(plans):
        for j in one.sources:
            if i not in near[j] and len(near[j]) < MOST_OTHERS:
                near[j].append(i)
    return near


def _agreement(
    i: int,
    views: list[View],
    depths: list[np.ndarray],
    trusted: list[np.ndarray],
    near: list[int],
) -> Agreement:
    others = [(views[j].camera, depths[j], trusted[j]) for j in near]
    return agree(views[i].camera, depths[i], others)


def _good(found: Agreement, matched: Matched, near: list[int]) -> np.ndarray:
    """(H, W) bool: seen alike by enough others, and not seen through by more."""
    enough = found.count >= min(AGREEING, max((len(near) + 1) // 2, 1))
    enough |= (found.count >= 1) & (matched.cost < WELL_LIKED) & (found.hides == 0)
    good = enough & (found.hides <= found.count)
    # what agrees by chance does so in specks
    speck = cv2.boxFilter(good.astype(np.float32), -1, (5, 5)) < 0.3
    return good & ~speck


def _complete(
    i: int,
    frame: PosedFrame,
    views: list[View],
    depths: list[np.ndarray],
    agreed: np.ndarray,
    sure: list[np.ndarray],
    matched: Matched,
    near: list[int],
    points: np.ndarray | None,
    guess: Guess | None,
    ground: Plane | None,
) -> np.ndarray:
    """The depth that views agree on, and around it the likeliest that no other view denies.

    agreed: (H, W) where this view's depth is agreed on. sure: of all views where there was also
    something to compare.
    """
    view = views[i]
    known = np.where(sure[i], depths[i], np.float32(0))
    # alone, but sure of itself
    alone = ~agreed & (matched.cost < WELL_LIKED) & (matched.sure > 0.5)
    alone &= np.isfinite(depths[i])
    known = _allowed(i, np.where(alone, depths[i], known), sure[i], views, depths, sure, near)
    if points is not None:
        sparse = _projected(view.camera, points, depths[i])
        if (sparse > 0).mean() > MANY_POINTS:  # they were triangulated from more views
            known = np.where(known > 0, fit_depth(known, sparse), sparse)
        else:
            known = np.where(known > 0, known, sparse)
    filling, likely = _guessed(frame, view, guess)
    if ground is not None:
        on = np.where(~sure[i] & (likely > ON_GROUND), ground.depth(view.camera), np.float32(0))
        on = _allowed(i, on, np.zeros_like(agreed), views, depths, sure, near)
        known = np.where(on > 0, on, known)
    weak = np.where(agreed & (known == 0), depths[i], known)
    known = _allowed(i, weak, known > 0, views, depths, sure, near)
    open_ = known == 0
    if not open_.any():
        return known
    around = _from_around(known, view.grey)
    if filling is None:
        filled = around
    else:
        wide = cv2.boxFilter((known > 0).astype(np.float32), -1, (61, 61)) < 0.3
        fitted = sharpen_edges(fit_depth(filling, known))
        # small gaps go on as their surroundings, large ones and sky as the estimate has them
        filled = np.where(wide | np.isinf(filling), fitted, around)
    depth = np.where(open_, filled, known)
    depth = _allowed(i, depth, ~open_, views, depths, sure, near)
    behind = _farthest_around(known)
    again = np.where((depth == 0) & (behind > 0), behind, depth)
    return _allowed(i, again, depth > 0, views, depths, sure, near)


def _guessed(
    frame: PosedFrame, view: View, guess: Guess | None
) -> tuple[np.ndarray | None, np.ndarray]:
    """What the estimator says of a view, if there is one."""
    if guess is None:
        return None, np.zeros(view.grey.shape, np.float32)
    height, width = view.grey.shape
    return guess(cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA), view.camera)


def _allowed(
    i: int,
    depth: np.ndarray,
    sure: np.ndarray,
    views: list[View],
    depths: list[np.ndarray],
    good: list[np.ndarray],
    near: list[int],
) -> np.ndarray:
    """Without the pixels, other than `sure` ones, that would hide what another view saw."""
    found = agree(views[i].camera, depth, [(views[j].camera, depths[j], good[j]) for j in near])
    return np.where(sure | (found.hides == 0), depth, np.float32(0))


def _projected(camera: Camera, points: np.ndarray, matched: np.ndarray) -> np.ndarray:
    """(H, W) depth of the points that fall on a pixel, where the view itself doesn't deny them."""
    uv, z, inside = camera.within(points)
    x, y = uv[inside].astype(int).T
    z = z[inside]
    order = np.argsort(-z)
    out = np.zeros((camera.height, camera.width), np.float32)
    out[y[order], x[order]] = z[order]
    return np.where(np.abs(out - matched) < 0.2 * out, out, np.float32(0))


def _from_around(known: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """(H, W) depth where unknown pixels take that of one around them, never a mixture.

    The one is preferred that is as bright, near in the picture and far away: what is hidden from
    the other views lies behind what hides it.
    """
    solid = np.isfinite(known) & (known > 0)
    if not solid.any():
        return np.full(known.shape, np.inf, np.float32)
    q = np.where(solid, 1 / np.where(solid, known, 1), 0).astype(np.float32)
    looks = [_nearest_along(solid, axis, step) for axis in (0, 1) for step in (1, -1)]
    least = np.min([np.where(found, q[rows, columns], np.inf) for rows, columns, found, _ in looks],
                   axis=0)  # fmt: skip
    best, value = np.full(known.shape, np.inf), np.zeros(known.shape, np.float32)
    for rows, columns, found, distance in looks:
        unlike = np.abs(grey - grey[rows, columns]) / LIKE_GREY
        nearer = q[rows, columns] / np.maximum(least, 1e-9) - 1
        price = np.where(found, unlike + distance / FAR_PIXELS + nearer, np.inf)
        better = price < best
        best = np.where(better, price, best)
        value = np.where(better, q[rows, columns], value)
    smooth = cv2.medianBlur(value, 5)
    value = np.where(solid, q, np.where(smooth > 0, smooth, value))
    with np.errstate(divide="ignore"):
        return np.where(value > 1e-9, 1 / value, np.inf).astype(np.float32)


def _nearest_along(
    solid: np.ndarray, axis: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(H, W) rows and columns of the nearest solid pixel along an axis, whether there is one, and
    how far it is."""
    flipped = np.flip(solid, axis) if step < 0 else solid
    length = solid.shape[axis]
    place = np.arange(length).reshape((-1, 1) if axis == 0 else (1, -1))
    last = np.maximum.accumulate(np.where(flipped, place, -1), axis=axis)
    last = np.flip(length - 1 - np.where(last < 0, length, last), axis) if step < 0 else last
    found = (last >= 0) & (last < length)
    last = np.clip(last, 0, length - 1)
    places = np.indices(solid.shape)
    distance = np.abs(last - places[axis])
    if axis == 0:
        return last, places[1], found, distance
    return places[0], last, found, distance


def _farthest_around(known: np.ndarray) -> np.ndarray:
    """(H, W) the farthest surface within some pixels, 0 where there is none."""
    far = cv2.dilate(np.where(np.isfinite(known), known, 0), np.ones((41, 41), np.uint8))
    return far.astype(np.float32)
