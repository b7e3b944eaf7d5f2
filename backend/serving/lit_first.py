# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers worlds with surfaces while the frame model, which these do not need, is still loaded.

PyTorch takes several times as long to load as what lights a scene, and much more memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from ..conditioning.threads import give_way
from ..pipelines.lit_seam import LitPipeline, LitPrepared
from ..shared.errors import WorldFMError
from ..shared.frame import FrameReply, FrameRequest
from ..shared.world import World
from .device_errors import as_told

FIRST_PICTURE_SECONDS = 3.0
"""How long the model waits for the first picture to be answered, so as not to slow it down."""

_log = logging.getLogger(__name__)


class Whole(Protocol):
    """The pipeline that takes any world."""

    def prepare(self, world: World) -> Any: ...
    def render(self, prepared: Any, request: FrameRequest) -> FrameReply: ...


class LitFirst:
    """A pipeline for a session. One thread renders; the model is loaded in another."""

    def __init__(
        self,
        lit: LitPipeline,
        load: Callable[[], Whole],
        on_failure: Callable[[WorldFMError], None],
        name: str,
        digest: str,
    ) -> None:
        """load: makes the whole pipeline. on_failure: told why it cannot be made, in its thread.

        name, digest: of the model, as its frames have them.
        """
        self.lit = lit
        self.name, self.hash = name, digest
        self._load = load
        self._on_failure = on_failure
        self._whole: Whole | WorldFMError | None = None
        self._soon, self._loaded = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="worldfm-load", daemon=True)
        self._thread.start()

    def prepare(self, world: World) -> Any:
        """As the whole pipeline does. Raises its error where a world needs it and it failed."""
        if world.scene is not None:
            return LitPrepared(self.lit, self.lit.prepare(world))
        return self._wait().prepare(world)

    def render(self, prepared: Any, request: FrameRequest) -> FrameReply:
        """As the whole pipeline does."""
        if isinstance(prepared, LitPrepared):
            reply = prepared.pipeline.render(prepared.world, request)
            self._soon.set()
            return reply
        return self._wait().render(prepared, request)

    def _wait(self) -> Whole:
        self._soon.set()
        self._loaded.wait()
        assert self._whole is not None
        if isinstance(self._whole, WorldFMError):
            raise self._whole
        return self._whole

    def _run(self) -> None:
        self._soon.wait(FIRST_PICTURE_SECONDS)
        give_way()
        try:
            self._whole = self._load()
        except (Exception, SystemExit) as error:  # libraries exit, too
            _log.exception("the frame model could not be loaded")
            failure = as_told(error, "loading the model", "the log")
            self._whole = failure
            self._on_failure(failure)
        finally:
            self._loaded.set()
