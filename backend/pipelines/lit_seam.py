# SPDX-License-Identifier: GPL-3.0-or-later
"""Where worlds with surfaces leave the way of points: who lights them, where that can be had."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..shared.frame import FrameReply, FrameRequest
from ..shared.world import World

_log = logging.getLogger(__name__)


class LitPipeline(Protocol):
    """What makes frames of lit surfaces.

    on_refined: called in any thread when a world's drafts can be bettered.
    """

    on_refined: Callable[[], None]

    def prepare(self, world: World) -> Any: ...
    def render(self, prepared: Any, request: FrameRequest) -> FrameReply: ...


@dataclass(frozen=True, eq=False)
class LitPrepared:
    """A world that `pipeline` prepared."""

    pipeline: LitPipeline
    world: Any


def load_lit_pipeline() -> LitPipeline | None:
    """None where rays cannot be traced, as on processors that Embree has no build for."""
    try:
        from .lit import LitWorld
    except ImportError as error:
        _log.warning("Surfaces cannot be lit here (%s); scenes are shown by their points.", error)
        return None
    return LitWorld()
