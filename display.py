# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels on their way to the screen or a render result.

Rows are flipped (Blender's row 0 is the bottom one) and sRGB turned into scene linear here only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .backend.shared.color import LINEAR
from .backend.shared.frame import FrameReply


@dataclass(frozen=True)
class RenderPass:
    """How Blender is told of a pass. switch: property of a view layer's settings."""

    channels: str
    kind: str
    switch: str


PASSES = {
    "Anchor": RenderPass("RGBA", "COLOR", "use_pass_anchor"),
    "Coverage": RenderPass("X", "VALUE", "use_pass_coverage"),
    "Alpha": RenderPass("X", "VALUE", "use_pass_alpha"),
    "Confidence": RenderPass("X", "VALUE", "use_pass_confidence"),
    "Memory": RenderPass("X", "VALUE", "use_pass_memory"),
    "Lit": RenderPass("RGB", "COLOR", "use_pass_lit"),
    "Base Colour": RenderPass("RGB", "COLOR", "use_pass_base_colour"),
    "Normal": RenderPass("XYZ", "VECTOR", "use_pass_normal"),
}
"""Beside Combined and Depth, which have switches of Blender's own."""

SKY_DEPTH = 1e10
"""What Blender's own engines write where nothing was hit."""


def color_rgba(reply: FrameReply) -> np.ndarray:
    """(H, W, 4) float32 scene linear, times alpha, row 0 at the bottom."""
    height, width, _ = reply.color.shape
    rgba = np.empty((height, width, 4), np.float32)
    rgba[..., :3] = reply.color[::-1]
    rgba[..., 3] = 1.0 if reply.alpha is None else reply.alpha[::-1]
    return rgba


def anchor_rgba(reply: FrameReply) -> np.ndarray:
    """(H, W, 4) float32 scene linear, row 0 at the bottom; alpha is where anchors were seen."""
    seen = np.isfinite(reply.depth) & (reply.depth > 0) & (reply.coverage > 0)
    rgba = np.empty((*seen.shape, 4), np.float32)
    rgba[..., :3] = LINEAR[reply.anchor_rgb[::-1]]
    rgba[..., 3] = seen[::-1]
    return rgba


def blender_depth(depth: np.ndarray, metres_per_unit: float) -> np.ndarray:
    """(H, W) float32 in Blender units, row 0 at the bottom; sky and unknown are 1e10."""
    known = np.isfinite(depth) & (depth > 0)
    return np.where(known, depth / np.float32(metres_per_unit), np.float32(SKY_DEPTH))[::-1]


def render_passes(reply: FrameReply, metres_per_unit: float) -> dict[str, np.ndarray]:
    """Name of each pass to its flat (H * W * C,) float32 values, as `rect.foreach_set` wants."""
    passes = {
        "Combined": color_rgba(reply),
        "Depth": blender_depth(reply.depth, metres_per_unit),
        "Anchor": anchor_rgba(reply),
        "Coverage": reply.coverage[::-1],
        "Alpha": np.ones_like(reply.depth) if reply.alpha is None else reply.alpha[::-1],
        **{name: values[::-1] for name, values in reply.passes.items()},
    }
    return {name: np.ascontiguousarray(a, np.float32).reshape(-1) for name, a in passes.items()}


def without_specks(depth: np.ndarray) -> np.ndarray:
    """(H, W) float32 of which single pixels that stand apart take the depth of those beside them.

    depth: (H, W) float32, 0 = unknown or sky. The median of each pixel and its four neighbours,
    so that edges and lines stay. Where a frame is moved by its depth, a speck would tear a hole.
    """
    far = np.where(depth > 0, depth, np.float32(np.inf))
    edged = np.pad(far, 1, mode="edge")
    up, down, left, right = edged[:-2, 1:-1], edged[2:, 1:-1], edged[1:-1, :-2], edged[1:-1, 2:]
    low = np.maximum(np.minimum(up, down), np.minimum(left, right))
    high = np.minimum(np.maximum(up, down), np.maximum(left, right))
    middle = np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), far))
    return np.where(np.isfinite(middle), middle, np.float32(0))


def without_twos(values: np.ndarray) -> np.ndarray:
    """(H, W, ...) with its last row or column once more where there are 2, 4, 8, ... of them.

    OpenGL in software compiles shaders anew for textures with such sides, 50 ms in mid-movement.
    """
    more = [(0, int(side & (side - 1) == 0)) for side in values.shape[:2]]
    return np.pad(values, [*more, *[(0, 0)] * (values.ndim - 2)], mode="edge")
