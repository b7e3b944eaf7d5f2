# SPDX-License-Identifier: GPL-3.0-or-later
"""What only one picture of a capture shows does not take the depth of what is behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.shared.frame import MemoryFrame
from backend.world.stereo.strangers import without_strangers
from tests.scenes.grounded_room import capture

PATCH = (slice(24, 40), slice(40, 60))


def frames() -> list[MemoryFrame]:
    return [MemoryFrame(str(i), str(i), f.camera, f.rgb, f.depth) for i, f in enumerate(capture(5))]


def found(memory: list[MemoryFrame], filled: dict[int, tuple[slice, slice]]) -> list[np.ndarray]:
    masks = [f.depth > 0 for f in memory]
    for number, where in filled.items():
        masks[number][where] = False
    return masks


def with_leaves(memory: list[MemoryFrame], number: int) -> list[MemoryFrame]:
    rgb = memory[number].rgb.copy()
    rgb[PATCH] = np.where(rgb[PATCH] < 128, 255, 0)
    return [*memory[:number], replace(memory[number], rgb=rgb), *memory[number + 1 :]]


def test_leaves_before_one_camera_become_unknown():
    memory = with_leaves(frames(), 2)
    made = without_strangers(memory, found(memory, {2: PATCH}))
    gone = made[2].depth == 0
    assert gone[PATCH][np.isfinite(memory[2].depth[PATCH])].mean() > 0.8  # the rest is sky
    gone[PATCH] = False
    assert not gone.any()
    assert all(a is b for i, (a, b) in enumerate(zip(made, memory, strict=True)) if i != 2)


def test_what_the_others_see_alike_stays_though_it_was_filled_in():
    memory = frames()
    made = without_strangers(memory, found(memory, {2: PATCH, 0: (slice(0, 72), slice(0, 96))}))
    assert all(a is b for a, b in zip(made, memory, strict=True))


def test_what_was_found_by_comparing_stays_whatever_its_colour():
    memory = with_leaves(frames(), 2)
    made = without_strangers(memory, found(memory, {}))
    assert all(a is b for a, b in zip(made, memory, strict=True))


def test_one_other_picture_is_not_enough():
    memory = with_leaves(frames(), 2)
    masks = found(memory, {2: PATCH})
    for number in (0, 1, 4):
        masks[number][:] = False
    made = without_strangers(memory, masks)
    assert np.array_equal(made[2].depth, memory[2].depth)
