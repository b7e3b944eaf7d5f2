# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera at a memory frame's place sees that frame's surfaces, wherever it looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.conditioning.anchors.point_renderer import AnchorRender
from backend.conditioning.memory.own_place import seen_from_own_place
from backend.shared.camera import Camera, intrinsics
from backend.shared.frame import MemoryFrame

SIZE, WALL = 48, 4.0


def camera(turned: float = 0.0, aside: float = 0.0) -> Camera:
    c2w = np.eye(4)
    cos, sin = np.cos(turned), np.sin(turned)
    c2w[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    c2w[0, 3] = aside
    return Camera(intrinsics(0.9, SIZE, SIZE), c2w, SIZE, SIZE)


@pytest.fixture
def frame() -> MemoryFrame:
    """A wall below sky; a part of it is unknown."""
    depth = np.full((2 * SIZE, 2 * SIZE), WALL, np.float32)
    depth[: SIZE // 2] = np.inf
    depth[-8:] = 0
    rgb = np.full((2 * SIZE, 2 * SIZE, 3), 200, np.uint8)
    return MemoryFrame("a", "a", camera().resized(2 * SIZE, 2 * SIZE), rgb, depth)


def elsewhere(frame: MemoryFrame) -> MemoryFrame:
    far = camera(aside=50.0).resized(2 * SIZE, 2 * SIZE)
    return MemoryFrame("b", "b", far, frame.rgb, frame.depth)


def specks() -> AnchorRender:
    """Others' points, all over the picture and too near."""
    return AnchorRender(
        torch.full((SIZE, SIZE, 3), 30, dtype=torch.uint8),
        torch.full((SIZE, SIZE), 3.8),
        torch.ones(SIZE, SIZE),
    )


def test_specks_before_what_the_frame_saw_are_gone(frame) -> None:
    made = seen_from_own_place(specks(), [frame], camera())
    sky, wall, unknown = np.s_[: SIZE // 4], np.s_[SIZE // 4 : -4], np.s_[-4:]
    torch.testing.assert_close(made.depth[wall], torch.full_like(made.depth[wall], WALL))
    assert (made.rgb[wall] == 200).all() and (made.coverage[wall] == 1).all()
    assert not made.depth[sky].any() and not made.coverage[sky].any()
    assert (made.depth[unknown] == 3.8).all() and (made.rgb[unknown] == 30).all()


def test_a_turned_camera_sees_the_wall_at_its_own_depth(frame) -> None:
    turned = camera(0.2)
    made = seen_from_own_place(specks(), [frame], turned)
    here = np.s_[SIZE // 2, SIZE // 4 : -SIZE // 3]
    forward = (turned.rays() @ np.array([0.0, 0.0, 1.0]))[here]  # of the wall's normal
    np.testing.assert_allclose(made.depth[here], WALL / forward, rtol=1e-5)
    assert (made.depth[SIZE // 2, -2:] == 3.8).all()  # beyond the frame's border


def test_of_frames_from_one_place_the_one_that_looks_this_way_counts(frame) -> None:
    c2w = camera(np.pi).c2w
    back = MemoryFrame(
        "b", "b", Camera(frame.camera.K, c2w, 2 * SIZE, 2 * SIZE), frame.rgb, frame.depth
    )
    for frames in ([frame, back], [back, frame]):
        made = seen_from_own_place(specks(), frames, camera())
        assert (made.depth == WALL).any()


@pytest.mark.parametrize("others", ["elsewhere", "without depth", "none"])
def test_from_elsewhere_nothing_changes(frame, others) -> None:
    blind = MemoryFrame("b", "b", frame.camera, frame.rgb)
    frames = {"elsewhere": [frame], "without depth": [blind], "none": []}[others]
    before = specks()
    at = camera(aside=0.3) if others == "elsewhere" else camera()
    assert seen_from_own_place(before, frames, at) is before


def test_beside_its_place_specks_come_back_by_and_by(frame) -> None:
    def left(aside: float) -> float:
        at, before = camera(aside=aside), specks()
        near = torch.linspace(3.8, 3.99, SIZE)
        made = seen_from_own_place(
            AnchorRender(before.rgb, near.expand(SIZE, SIZE).contiguous(), before.coverage),
            [frame, elsewhere(frame)],
            at,
        )
        wall = np.s_[SIZE // 4 + 1 : -5, 4:-4]
        gone = made.depth[wall] != near.expand(SIZE, SIZE)[wall]
        assert (made.depth[wall][gone] - WALL).abs().max() < 1e-3 if gone.any() else True
        assert (made.rgb[wall][gone] == 200).all()
        return 1 - float(gone.float().mean())

    parts = [left(aside) for aside in (0.006, 0.01, 0.016, 0.022, 0.04)]
    assert parts == sorted(parts) and parts[0] < 0.4 and 0.5 < parts[2] < 0.95 and parts[-1] == 1


def test_beside_its_place_what_the_frame_saw_stays_before_the_rest(frame) -> None:
    frame.depth[30:60, 30:50] = 2.0  # a post before the wall
    at = camera(aside=0.016)
    true = AnchorRender(
        torch.full((SIZE, SIZE, 3), 30, dtype=torch.uint8),
        torch.full((SIZE, SIZE), 2.0),
        torch.zeros(SIZE, SIZE),
    )
    made = seen_from_own_place(true, [frame, elsewhere(frame)], at)
    moved = int(0.016 / 2.0 * at.K[0, 0])
    post = np.s_[16:29, 16 - moved : 24 - moved]
    assert (made.depth[post] == 2.0).all() and (made.rgb[post] == 30).all()
