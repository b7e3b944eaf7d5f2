# SPDX-License-Identifier: GPL-3.0-or-later
"""Semi-global matching: a surface through a volume of costs that is smooth where it may be.

After Hirschmueller (2008): along eight directions a change of one plane costs a little, a jump
more, and less where the picture has an edge.
"""

from __future__ import annotations

import numpy as np

from ...conditioning.jit import kernel

SCALE = 120.0
"""Whole numbers that a cost of 1 becomes."""
SMALL, LARGE, LEAST_LARGE = 6, 90, 22
"""Price of a step of one plane, of a jump, and of a jump across the sharpest edge."""
EDGE = 0.04
"""Change of brightness between neighbours at which a jump costs half."""
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


def smooth_surface(costs: np.ndarray, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) float32 plane numbers with a fraction, and (H, W) float32, how sure: [0, 1].

    costs: (H, W, P) float32 in [0, 2]. grey: (H, W) float32 in [0, 1].
    """
    whole = np.clip(costs * SCALE, 0, 255).astype(np.uint8)
    total = np.zeros(costs.shape, np.uint16)
    for dy, dx in _DIRECTIONS:
        _along(whole, grey, total, dy, dx)
    return _winners(total)


@kernel
def _along(costs, grey, total, dy, dx):  # pragma: no cover - compiled
    height, width, planes = costs.shape
    # rows of pixels are walked so that the pixel before (y - dy, x - dx) is always done
    before = np.zeros((width, planes), np.int32)
    lowest = np.zeros(width, np.int32)
    now = np.zeros((width, planes), np.int32)
    least = np.zeros(width, np.int32)
    for row in range(height):
        y = row if dy >= 0 else height - 1 - row
        for column in range(width):
            x = column if dx >= 0 else width - 1 - column
            py, px = y - dy, x - dx
            inside = 0 <= py < height and 0 <= px < width
            low = 1 << 30
            if not inside:
                for p in range(planes):
                    value = np.int32(costs[y, x, p])
                    now[x, p] = value
                    if value < low:
                        low = value
            else:
                change = abs(grey[y, x] - grey[py, px])
                jump = np.int32(max(LARGE / (1.0 + change / EDGE), LEAST_LARGE))
                last = now[px] if dy == 0 else before[px]
                base = least[px] if dy == 0 else lowest[px]
                for p in range(planes):
                    best = last[p]
                    if p > 0 and last[p - 1] + SMALL < best:
                        best = last[p - 1] + SMALL
                    if p < planes - 1 and last[p + 1] + SMALL < best:
                        best = last[p + 1] + SMALL
                    if base + jump < best:
                        best = base + jump
                    value = np.int32(costs[y, x, p]) + best - base
                    now[x, p] = value
                    if value < low:
                        low = value
            least[x] = low
            for p in range(planes):
                total[y, x, p] += np.uint16(now[x, p])
        before, now = now, before
        lowest, least = least, lowest


@kernel
def _winners(total):  # pragma: no cover - compiled
    height, width, planes = total.shape
    found = np.zeros((height, width), np.float32)
    sure = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            best = 0
            for p in range(1, planes):
                if total[y, x, p] < total[y, x, best]:
                    best = p
            low = np.float32(total[y, x, best])
            other = np.float32(65535.0)
            for p in range(planes):
                if abs(p - best) > 2 and total[y, x, p] < other:
                    other = np.float32(total[y, x, p])
            fraction = np.float32(0.0)
            if 0 < best < planes - 1:
                a = np.float32(total[y, x, best - 1])
                b = np.float32(total[y, x, best + 1])
                bend = a + b - 2 * low
                if bend > 0:
                    fraction = np.float32(0.5) * (a - b) / bend
            found[y, x] = best + fraction
            sure[y, x] = min(max((other - low) / 160.0, 0.0), 1.0)
    return found, sure
