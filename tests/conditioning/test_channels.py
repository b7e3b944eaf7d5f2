# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels stand where the shipped weights were taught to find them, and all who use them agree."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from backend.conditioning import channels
from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_renderer import PointCloud
from backend.conditioning.channels import HINTS, Channel, Layout
from backend.conditioning.conditions import build_conditions
from backend.conditioning.hints import hints_of
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.sampling import usable
from backend.models.cell_net import EMBEDDED_COLORS, EMBEDDED_COMPLETION
from backend.models.weights_file import EMBEDDED
from backend.shared.anchors import Anchors
from backend.training.stages import DISCRIMINATOR_HINTS
from tests.scenes.world_room import photograph, room_camera

# the order that the shipped weights were trained on, written out a second time
ORDER = {
    "HINTS": "memory*3 memory_weight anchors*3 anchors_colored coverage log_depth known sky base*3 "
    "base_level noise*2 fill*3 fill_distance",
    "MEMORY_IMAGE": "rgb*3 log_depth sky",
    "GUESSES": "nearest*3 distance surroundings*3 plane*3 sky_guess*3 has_sky",
    "COLOR_CELLS": "seen*3 sure base*3 known solid log_depth rise height ray_right ray_down "
    "normal_right normal_up normal_forward nearest*3 distance surroundings*3 plane*3 sky_guess*3 "
    "has_sky",
    "COMPLETION_CELLS": "solid sky log_depth inverse image_x image_y rise height normal_right "
    "normal_up normal_forward seen*3 sure base*3",
}


@pytest.mark.parametrize("name", ORDER)
def test_no_channel_has_moved(name):
    layout = getattr(channels, name)
    assert ORDER[name] == " ".join(
        channel.name + (f"*{channel.width}" if channel.width > 1 else "")
        for channel in layout.channels
    )


def test_shipped_models_take_as_many_channels_as_they_are_told():
    for folder, layout in (
        (EMBEDDED, HINTS),
        (EMBEDDED_COLORS, channels.COLOR_CELLS),
        (EMBEDDED_COMPLETION, channels.COMPLETION_CELLS),
    ):
        config = json.loads((folder / "config.json").read_text())
        assert config.get("hint_channels", config.get("in_channels")) == layout.count


@pytest.fixture(scope="module")
def conditions():
    memory = [photograph(room_camera(size=(64, 48)), "memory")]
    anchors = Anchors.concatenate([lift(memory[0])])
    camera = room_camera((0.5, -2.4, 0.1), (1.2, 1.0, -0.2), (64, 48))
    return build_conditions(
        PointCloud(anchors), MemoryImages(memory), camera, references=1, scale=2.0
    )


def test_hints_stand_at_their_numbers_and_keep_to_their_ranges(conditions):
    hints = hints_of(conditions, 2.0, seed=1)
    assert torch.equal(hints[0:3], conditions.color * usable(conditions.weight))
    assert torch.equal(hints[3:4], conditions.weight)
    assert torch.equal(hints[8], conditions.shown.coverage)
    assert torch.equal(hints[10:11], conditions.known)
    assert torch.equal(hints[11:12], conditions.sky)
    assert torch.equal(hints[12:15], conditions.base)
    assert torch.equal(hints[15:16], conditions.level / 8)
    assert torch.equal(hints[18:21], conditions.fill)
    assert torch.equal(hints[21:22], conditions.far)
    for channel in HINTS.channels:
        values = HINTS.of(hints, channel.name)
        assert channel.low - 1e-5 <= values.min(), channel.name
        assert values.max() <= channel.high + 1e-5, channel.name


def test_blank_hints_tell_geometry_and_no_colour(conditions):
    hints = hints_of(conditions, 2.0, seed=1)
    blank = HINTS.blank_colors(hints[None])[0]
    kept = [8, 9, 10, 11, 16, 17]
    assert torch.equal(blank[kept], hints[kept])
    lost = [i for i in range(22) if i not in kept]
    assert [float(blank[i].unique()) for i in lost] == [1.0 if i in (15, 21) else 0.0 for i in lost]
    assert not torch.equal(blank, hints)


def test_colours_masks_mirrored_channels_and_what_the_discriminator_sees():
    assert [HINTS[c.name].start for c in HINTS.colors()] == [0, 4, 12, 18]
    assert [c.mask and HINTS[c.mask].start for c in HINTS.colors()] == [3, 7, None, None]
    assert HINTS.mirrored() == []
    assert DISCRIMINATOR_HINTS == [9, 12, 13, 14, 3]
    assert channels.COLOR_CELLS.mirrored() == [12, 14]
    assert [channels.COLOR_CELLS[c.name].start for c in channels.COLOR_CELLS.colors()] == [
        0, 4, 17, 21, 24, 27,
    ]  # fmt: skip
    assert channels.COMPLETION_CELLS.mirrored() == [4, 8]


def test_a_layout_refuses_what_does_not_fit_it():
    layout = Layout(Channel("a", 1, "one"), Channel("b", 2, "two"))
    a, b = torch.zeros(2, 3), torch.ones(2, 2, 3)
    assert np.array_equal(layout.pack(b=b, a=a).mean((1, 2)), [0, 1, 1])
    with pytest.raises(ValueError, match="the channels are"):
        layout.pack(a=a)
    with pytest.raises(ValueError, match="b has 2 channels, not 1"):
        layout.pack(a=a, b=b[:1])
    with pytest.raises(ValueError, match="called a"):
        Layout(Channel("a", 1, "one"), Channel("a", 1, "again"))
