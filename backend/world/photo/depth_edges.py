# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth that jumps at silhouettes instead of sloping through the air behind them."""

from __future__ import annotations

import cv2
import numpy as np

JUMP = 0.12
"""Difference of log depth over a few pixels from which on two surfaces are meant."""
RAMP = 2.5
"""How much faster than around it inverse depth changes where two surfaces were smeared."""
_FAR = 20.0  # stands for the logarithm of the sky's distance


def sharpen_edges(depth: np.ndarray, reach: int = 5) -> np.ndarray:
    """(H, W) float32: ramps between two surfaces, up to 2 `reach` pixels wide, become steps.

    A pixel in the midst of a ramp takes the value of the surface on its side, whichever is nearer
    in depth when both are one pixel away. Sky (+inf) takes part as a surface. Everything else, and
    steps that are sharp already, stays exactly as it is.
    """
    log = np.where(np.isfinite(depth), np.log(np.maximum(depth, 1e-6)), _FAR).astype(np.float32)
    open_ = _on_ramp(log, reach)
    value = log.copy()
    for _ in range(reach):
        if not open_.any():
            break
        value, open_ = _grow_inwards(value, log, open_)
    sharp = np.exp(value).astype(np.float32)
    return np.where(value > _FAR - 1, np.float32(np.inf), sharp)


def _on_ramp(log: np.ndarray, reach: int) -> np.ndarray:
    """(H, W) bool: pixels from which inverse depth climbs on one side and falls on the other.

    Both changes are RAMP times as fast as around, which those of planes and creases are not.
    """
    inverse = np.exp(-log)
    found = np.zeros(log.shape, bool)
    for axis in (0, 1):
        step, rise = np.diff(inverse, axis=axis), np.diff(log, axis=axis)
        size = np.abs(step)
        around = cv2.blur(size, (4 * reach + 1, 4 * reach + 1))
        fast = (size > RAMP * around) & (np.abs(rise) > JUMP / (2 * reach))
        before = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        after = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        inner = (slice(1, -1), slice(None)) if axis == 0 else (slice(None), slice(1, -1))
        same_way = step[before] * step[after] > 0
        found[inner] |= fast[before] & fast[after] & same_way
    return found


def _grow_inwards(
    value: np.ndarray, log: np.ndarray, open_: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One pixel further: open pixels beside settled ones take the value nearest to their own."""
    height, width = log.shape
    padded, settled = np.pad(value, 1, mode="edge"), np.pad(~open_, 1)
    best, gap = value.copy(), np.full(log.shape, np.inf, np.float32)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            near = padded[dy : dy + height, dx : dx + width]
            usable = settled[dy : dy + height, dx : dx + width]
            distance = np.where(usable, np.abs(near - log), np.inf)
            closer = distance < gap
            best, gap = np.where(closer, near, best), np.where(closer, distance, gap)
    reached = open_ & np.isfinite(gap)
    return np.where(reached, best, value), open_ & ~reached


def jumps(depth: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels with a silhouette between them and one of their four neighbours."""
    log = np.where(np.isfinite(depth), np.log(np.maximum(depth, 1e-6)), _FAR)
    found = np.zeros(depth.shape, bool)
    across, down = np.abs(np.diff(log, axis=1)) > JUMP, np.abs(np.diff(log, axis=0)) > JUMP
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


def enlarge_depth(depth: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W) depth at another size: linear in inverse depth on surfaces, nearest at silhouettes."""
    size = (width, height)
    inverse = np.where(np.isfinite(depth), 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    smooth = cv2.resize(inverse, size, interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(inverse, size, interpolation=cv2.INTER_NEAREST)
    edge = cv2.dilate(jumps(depth).astype(np.uint8), np.ones((3, 3), np.uint8))
    edge = cv2.resize(edge, size, interpolation=cv2.INTER_NEAREST) > 0
    inverse = np.where(edge, nearest, smooth)
    with np.errstate(divide="ignore"):
        return np.where(inverse > 0, 1 / inverse, np.inf).astype(np.float32)
