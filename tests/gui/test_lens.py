# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of field in the view of a camera that has it."""

from __future__ import annotations

import pytest


def test_a_viewport_looks_through_the_camera_s_lens(stage):
    found = stage.play("lens")
    wide, wider = (aperture for aperture, _ in found["lenses"])
    assert wider == pytest.approx(4 * wide, rel=1e-4) and wide > 0
    assert "Traceback" not in found["log"]
