# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of a world are seen in every shading of Blender's own, in their colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def pixels_like(picture: str, colour: tuple[int, int, int]) -> int:
    shown = cv2.imread(picture)[..., ::-1].astype(int)
    return int((np.abs(shown - colour).max(axis=-1) < 12).sum())


def test_points_are_dots_in_their_colours(stage):
    found = stage.play("points")
    seen = {Path(p).stem.removeprefix("points-"): p for p in found["pictures"]}
    red, blue = (250, 30, 40), (26, 26, 230)
    for shading in ("solid", "wireframe", "material"):
        assert pixels_like(seen[shading], red) > 2000, shading
    assert pixels_like(seen["away"], red) < 100
    assert pixels_like(seen["repainted"], blue) > 2000
    assert pixels_like(seen["repainted"], red) < 100
    assert pixels_like(seen["gone"], blue) < 100
    assert "Traceback" not in found["log"]
