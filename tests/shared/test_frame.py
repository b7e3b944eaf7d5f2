# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of frames: 8-bit sRGB at the borders, scene-linear half floats between."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from backend.shared.camera import Camera, intrinsics
from backend.shared.color import (
    LINEAR,
    as_halves,
    bytes_of_halves,
    halves_of_bytes,
    linear_to_srgb,
)
from backend.shared.errors import InputError
from backend.shared.frame import FrameReply, FrameRequest, MemoryFrame
from backend.shared.motion import Move, Pose
from backend.shared.tree_codec import same_tree

CAMERA = Camera(intrinsics(1.0, 4, 2), np.eye(4), 4, 2)
BRIGHT = np.linspace(0, 60, 24).astype(np.float16).reshape(2, 4, 3)


def test_all_bytes_come_back_from_halves() -> None:
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(bytes_of_halves(halves_of_bytes(every)), every)


def test_halves_are_seen_as_the_slow_way_shows_them() -> None:
    halves = np.random.default_rng(0).uniform(-0.5, 2, (9, 7, 3)).astype(np.float16)
    slow = np.rint(255 * linear_to_srgb(halves)).astype(np.uint8)
    np.testing.assert_array_equal(bytes_of_halves(halves[::-1, ::2]), slow[::-1, ::2])
    odd = np.array([np.nan, np.inf, -np.inf], np.float16)
    assert bytes_of_halves(odd).tolist() == [0, 255, 0]


def test_what_is_too_bright_for_halves_becomes_the_brightest() -> None:
    found = as_halves(np.array([1e9, -1e9, np.nan, np.inf, 0.5], np.float32))
    assert found.tolist() == [65504.0, -65504.0, 0.0, 65504.0, 0.5]


def test_a_memory_frame_of_light_shows_its_bytes_and_keeps_its_light() -> None:
    frame = MemoryFrame("a", "a", CAMERA, radiance=BRIGHT)
    assert frame.rgb.dtype == np.uint8 and frame.rgb.max() == 255
    np.testing.assert_array_equal(frame.linear(), BRIGHT.astype(np.float32))
    assert frame.picture is BRIGHT
    photo = MemoryFrame("b", "b", CAMERA, frame.rgb)
    np.testing.assert_array_equal(photo.linear(), LINEAR[frame.rgb])
    assert photo.radiance is None and photo.picture is frame.rgb


@pytest.mark.parametrize(
    "picture",
    [
        {},
        {"radiance": BRIGHT.astype(np.float32)},
        {"radiance": BRIGHT[:1]},
        {"radiance": np.full_like(BRIGHT, np.inf)},
        {"rgb": BRIGHT},
    ],
)
def test_pictures_of_another_kind_are_refused(picture: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match="memory frame 'a'"):
        MemoryFrame("a", "a", CAMERA, **picture)


def reply(color: np.ndarray, alpha: np.ndarray | None = None) -> FrameReply:
    plane = np.ones((2, 4), np.float32)
    dark = np.zeros((2, 4, 3), np.uint8)
    return FrameReply(color, plane, plane, dark, FrameRequest(CAMERA), 1, "m", "h", alpha=alpha)


def test_the_bytes_of_a_frame_have_no_alpha_in_them() -> None:
    whole = halves_of_bytes(np.full((2, 4, 3), 188, np.uint8))
    half = reply((whole * np.float16(0.5)), np.full((2, 4), 0.5, np.float16))
    np.testing.assert_array_equal(half.rgb, np.full((2, 4, 3), 188))
    nothing = reply(np.zeros_like(whole), np.zeros((2, 4), np.float16))
    assert not nothing.rgb.any()


def test_a_frame_is_kept_as_bytes_where_those_are_all_of_it() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(reply(halves_of_bytes(picture)).picture, picture)
    assert reply(BRIGHT).picture is BRIGHT


def test_requests_differ_in_any_field() -> None:
    request = FrameRequest(CAMERA)
    other_place = np.eye(4)
    other_place[0, 3] = 1
    changes = {
        "camera": Camera(CAMERA.K, other_place, 4, 2),
        "steps": 2,
        "seed": 1,
        "references": 3,
        "mode": "lit",
        "draft": True,
        "glance": True,
        "aperture": 0.1,
        "focus": 2.0,
        "opened": CAMERA,
        "closed": CAMERA,
        "moves": (Move("cube", Pose(np.eye(4)), Pose(np.eye(4))),),
    }
    assert changes.keys() == {f.name for f in fields(FrameRequest)}
    assert same_tree(request, FrameRequest(Camera(CAMERA.K, CAMERA.c2w, 4, 2)))
    for name, value in changes.items():
        assert not same_tree(request, replace(request, **{name: value})), name


def test_kinds_of_frames_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InputError, match="'quick' is no kind of frame"):
        FrameRequest(CAMERA, mode="quick")


def test_what_makes_a_frame_again_is_written_beside_it() -> None:
    about = {"model": "m", "model_hash": "h", "world_revision": "7"}
    usual = {**about, "seed": "0", "steps": "1", "references": "4"}
    assert FrameRequest(CAMERA).metadata("m", "h", 7) == usual
    rare = FrameRequest(CAMERA, mode="lit", aperture=0.1, focus=2.0)
    changed = {"mode": "lit", "aperture": "0.1", "focus": "2.0"}
    assert rare.metadata("m", "h", 7) == usual | changed
