# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline as what `evaluate` calls."""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Any

from ..pipelines.embedded import FramePipeline
from ..pipelines.lit_seam import LitPrepared
from ..serving.session import Pipeline
from ..shared.camera import Camera
from ..shared.errors import InputError
from ..shared.frame import FrameReply, FrameRequest
from ..shared.world import World


class Memory(enum.Enum):
    """What a model is left of a world's memory frames; anchors keep their colours always."""

    WHOLE = "model"
    FETCHED = "without tokens"
    """The transformer attends to no memory frame, what is fetched and filled from them stays. Lit
    surfaces have no transformer: their frames are the whole ones."""
    NONE = "without memory"


ABLATIONS = (Memory.FETCHED, Memory.NONE)


class PipelinePredictor:
    """Renders with `pipeline`; a world is prepared once for all the views of it in a row."""

    def __init__(self, pipeline: Pipeline, steps: int = 1, memory: Memory = Memory.WHOLE) -> None:
        """Raises InputError when the pipeline's model knows no memory tokens to leave out."""
        if memory is Memory.FETCHED and not isinstance(pipeline, FramePipeline):
            raise InputError(
                f"The model '{pipeline.name}' cannot go without memory tokens; "
                "leave the ablation out or choose a frame model."
            )
        self._pipeline = pipeline
        self._steps = steps
        self._memory = memory
        self._world: World | None = None
        self._prepared: Any = None

    def __call__(self, world: World, camera: Camera, seed: int) -> FrameReply:
        """The frame of `camera`."""
        if self._prepared is None or self._world is not world:
            self._world, self._prepared = world, self._prepare(world)
        return self._pipeline.render(self._prepared, FrameRequest(camera, self._steps, seed))

    def _prepare(self, world: World) -> Any:
        if self._memory is Memory.NONE:
            return self._pipeline.prepare(replace(world, memory=[]))
        prepared = self._pipeline.prepare(world)
        if self._memory is Memory.WHOLE or isinstance(prepared, LitPrepared):
            return prepared  # what is lit attends to no tokens
        return replace(prepared, tokens=[None] * len(prepared.tokens))
