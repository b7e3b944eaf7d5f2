# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes are answered before the frame model is there; what needs it waits, or is told why not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.serving import lit_first
from backend.serving.lit_first import LitFirst
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics
from backend.shared.errors import ModelError, WorldFMError
from backend.shared.frame import FrameRequest
from backend.shared.scene import Scene
from backend.shared.world import World

SURFACES = World(Anchors.empty(), [], 1, {}, Scene())
POINTS = World(Anchors.empty(), [], 2)
REQUEST = FrameRequest(Camera(intrinsics(1.0, 8, 8), np.eye(4), 8, 8))


class Named:
    """Answers with its own name and the world's revision."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.on_refined: Callable[[], None] = lambda: None

    def prepare(self, world: World) -> int:
        return world.revision

    def render(self, prepared: int, request: FrameRequest) -> Any:
        return self.name, prepared


def frame(pipeline: LitFirst, world: World) -> Any:
    return pipeline.render(pipeline.prepare(world), REQUEST)


def test_scenes_do_not_wait_for_the_model_and_other_worlds_do() -> None:
    may_load = threading.Event()

    def load() -> Named:
        assert may_load.wait(20)
        return Named("whole")

    pipeline = LitFirst(Named("lit"), load, pytest.fail, "embedded", "0123")
    assert frame(pipeline, SURFACES) == ("lit", 1)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(frame(pipeline, POINTS)))
    waiting.start()
    assert frame(pipeline, SURFACES) == ("lit", 1) and not found
    may_load.set()
    waiting.join(20)
    assert found == [("whole", 2)]


@pytest.mark.parametrize("error", [ModelError("It is damaged."), ImportError("no torch")])
def test_why_a_model_cannot_be_loaded_is_told_once_and_to_whoever_needs_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lit_first, "FIRST_PICTURE_SECONDS", 0.0)

    def load() -> Named:
        raise error

    told: list[WorldFMError] = []
    pipeline = LitFirst(Named("lit"), load, told.append, "embedded", "0123")
    for _ in range(2):
        with pytest.raises(ModelError, match=r"damaged|no torch"):
            frame(pipeline, POINTS)
    assert len(told) == 1
    assert frame(pipeline, SURFACES) == ("lit", 1)
