# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's walk through its room: memory along the path, targets between."""

from __future__ import annotations

from .stage import Shot, Stage

MEMORY = (1, 48, 24, 12, 36, 18)
"""Frames that are captured, most useful first."""
TARGETS = (6, 21, 42)
CAMERA = "Camera"


def demo() -> Stage:
    """Replaces the open file."""
    from ..scene import SIZE, build

    build()
    shots = [[Shot(CAMERA, frame) for frame in frames] for frames in (MEMORY, TARGETS)]
    return Stage(*shots, size=SIZE)
