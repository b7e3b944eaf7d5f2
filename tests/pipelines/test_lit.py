# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds with surfaces become frames: lit alone, or with memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.pipelines.lit import LitWorld
from backend.shared.anchors import Anchors
from backend.shared.frame import PASSES, FrameRequest, MemoryFrame
from backend.shared.world import World
from tests.conditioning.light.lit_room import QUICK, box_mesh, camera_at, lamp_at, matt, scene_of

HERE = camera_at((0.2, -2.8, 1.6), (0, 0, 0.6), size=32, fov=1.1)


@pytest.fixture(scope="module")
def pipeline() -> LitWorld:
    return LitWorld(QUICK)


def world(*memory: MemoryFrame) -> World:
    parts = [
        (box_mesh((-3, -3, 0), (3, 3, 3)), matt((0.7, 0.6, 0.5))),
        (box_mesh((-0.5, -0.5, 0), (0.5, 0.5, 1)), matt((0.2, 0.4, 0.7))),
    ]
    lamp = lamp_at("POINT", (1, -1, 2.7), 80.0, radius=0.1)
    return World(Anchors.empty(), list(memory), 1, {}, scene_of(parts, [lamp]))


def test_modes_say_whether_memory_counts(pipeline: LitWorld) -> None:
    alone = pipeline.render(pipeline.prepare(world()), FrameRequest(HERE))
    bright = MemoryFrame("b", "b", HERE, radiance=(alone.color * 2).astype(np.float16))
    off = replace(bright, id="off", enabled=False)
    prepared = pipeline.prepare(world(off, bright))
    frames = {mode: pipeline.render(prepared, FrameRequest(HERE, mode=mode)) for mode in MODES}
    np.testing.assert_array_equal(frames["anchors"].color, alone.color)
    assert not frames["anchors"].passes["Confidence"].any()
    for mode in ("lit", "full"):
        made = frames[mode]
        ratio = made.color.astype(np.float32) / alone.color.astype(np.float32)
        assert np.median(ratio) == pytest.approx(2, abs=0.02)
        assert made.passes["Confidence"].mean() > 0.8
        assert set(np.unique(made.passes["Memory"])) <= {0, 2}
        np.testing.assert_array_equal(made.passes["Lit"], alone.passes["Lit"])
        assert set(made.passes) <= set(PASSES)
    blind = pipeline.render(prepared, FrameRequest(HERE, references=0))
    np.testing.assert_array_equal(blind.color, alone.color)


MODES = ("full", "lit", "anchors")


def test_light_is_kept_when_only_memory_changes(pipeline: LitWorld) -> None:
    plain = world()
    first = pipeline.prepare(plain)
    picture = np.ones((32, 32, 3), np.float16)
    pipeline.render(first, FrameRequest(HERE))
    second = pipeline.prepare(
        replace(plain, memory=[MemoryFrame("a", "a", HERE, radiance=picture)])
    )
    assert second.matter is first.matter
    assert second.whole is first.whole is not None
    moved = replace(plain.scene, lamps=())
    assert pipeline.prepare(replace(plain, scene=moved)).whole is None
