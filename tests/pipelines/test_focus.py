# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of field of frames, beside rays from everywhere on a lens."""

from __future__ import annotations

import numpy as np
import pytest

from backend.pipelines.focus import disk_radius, focused
from backend.shared.camera import Camera, intrinsics
from backend.shared.frame import FrameReply, FrameRequest

SIZE = 48
CAMERA = Camera(intrinsics(0.9, SIZE, SIZE), np.eye(4), SIZE, SIZE)


def reply(color: np.ndarray, depth: np.ndarray, aperture: float, focus: float) -> FrameReply:
    nothing = np.zeros((SIZE, SIZE), np.float32)
    request = FrameRequest(CAMERA, aperture=aperture, focus=focus)
    return FrameReply(
        color=color.astype(np.float16),
        depth=depth.astype(np.float32),
        coverage=nothing,
        anchor_rgb=np.zeros((SIZE, SIZE, 3), np.uint8),
        request=request,
        world_revision=1,
        model_name="lit",
        model_hash="1",
    )


def halves(near: float, far: float) -> tuple[np.ndarray, np.ndarray]:
    """White in front on the left, black behind on the right."""
    left = np.arange(SIZE)[None] < SIZE // 2
    color = np.repeat(np.broadcast_to(left, (SIZE, SIZE))[..., None], 3, axis=2)
    return color.astype(np.float32), np.where(left, near, far) * np.ones((SIZE, SIZE))


@pytest.mark.parametrize("depth", [1.0, 4.0, 30.0])
def test_disks_are_as_wide_as_rays_through_the_lens_spread(depth: float) -> None:
    aperture, focus = 0.2, 3.0
    place = np.array([0.0, 0.0, depth])
    rim = np.array([aperture, 0.0, 0.0])
    # a ray from the rim to the place meets the plane of focus where the picture shows it
    met = rim + (place - rim) * (focus / depth)
    aside = met[0] / focus * CAMERA.K[0, 0]
    found = disk_radius(np.full((2, 2), depth), CAMERA, aperture, focus)
    widest = 0.06 * np.hypot(SIZE, SIZE)
    assert found[0, 0] == pytest.approx(min(abs(aside), widest), rel=1e-3)


def test_nothing_changes_where_all_is_in_focus() -> None:
    color, depth = halves(2.0, 2.0)
    sharp = reply(color, depth, 0.1, 2.0)
    assert focused(sharp) is sharp
    off = reply(color, halves(1.0, 9.0)[1], 0.0, 2.0)
    assert focused(off) is off


@pytest.mark.parametrize(("focus", "soft"), [(2.0, "far"), (8.0, "near")])
def test_what_is_out_of_focus_is_soft_and_keeps_its_light(focus: float, soft: str) -> None:
    color, depth = halves(2.0, 8.0)
    made = focused(reply(color, depth, 0.15, focus)).color.astype(np.float32)[..., 0]
    row = made[SIZE // 2]
    if soft == "far":  # the sharp thing in front keeps its edge
        np.testing.assert_allclose(row[: SIZE // 2 - 1], 1, atol=0.02)
    else:  # the soft thing in front spreads over what is behind
        assert 0.1 < row[SIZE // 2 + 1] < 0.6 and 0.4 < row[SIZE // 2 - 2] < 0.98
    assert row[:4].min() > 0.98 and row[-4:].max() < 0.02
    assert made.mean() == pytest.approx(0.5, abs=0.04)


def test_a_background_and_unknown_depths_do_no_harm() -> None:
    color, depth = halves(2.0, np.inf)
    depth[:4] = 0.0
    made = focused(reply(color, depth, 0.1, 2.0)).color
    assert np.isfinite(made).all()
