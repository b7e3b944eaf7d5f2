# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline as what `evaluate` calls."""

from __future__ import annotations

from typing import Any

from ..session import Pipeline
from ..shared.camera import Camera
from ..shared.frame import FrameReply, FrameRequest
from ..world.world import World


class PipelinePredictor:
    """Renders with `pipeline`; a world is prepared once for all the views of it in a row."""

    def __init__(self, pipeline: Pipeline, steps: int = 1) -> None:
        self._pipeline = pipeline
        self._steps = steps
        self._world: World | None = None
        self._prepared: Any = None

    def __call__(self, world: World, camera: Camera, seed: int) -> FrameReply:
        """The frame of `camera`."""
        if self._prepared is None or self._world is not world:
            self._world, self._prepared = world, self._pipeline.prepare(world)
        return self._pipeline.render(self._prepared, FrameRequest(camera, self._steps, seed))
