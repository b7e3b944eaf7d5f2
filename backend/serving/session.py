# SPDX-License-Identifier: GPL-3.0-or-later
"""One model and what is asked of it: a queue of renders, a mailbox per viewport, one worker.

Thread-safe. The worker thread loads the model, then answers one job after the other; answers
and events are called back in that thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..conditioning.threads import Stopped, stoppable
from ..shared.errors import OutOfMemoryError, WorldFMError
from ..shared.frame import FrameReply, FrameRequest
from ..shared.messages import Broken, Devices, Notice, Progress, Ready, Refined
from ..shared.stage import stage, telling
from .device_errors import as_told, is_device_lost, is_out_of_memory
from .world_store import StoredWorld

if TYPE_CHECKING:
    from ..pipelines.lit_seam import LitPipeline
    from ..shared.world import World

SMALLEST_PREVIEW = 64
"""Pixels of the shorter side below which a preview that lacks memory is given up."""

PREPARED_WORLDS = 4
SMALL_PREVIEWS_S = 60.0
"""How long previews stay small after memory ran out."""

_log = logging.getLogger(__name__)


class Pipeline(Protocol):
    """What a session needs of `backend.pipelines.embedded.FramePipeline`."""

    name: str
    hash: str

    def prepare(self, world: World) -> Any: ...
    def render(self, prepared: Any, request: FrameRequest) -> FrameReply: ...


Event = Progress | Devices | Ready | Broken | Notice | Refined

Load = Callable[[Callable[[Progress | Devices | Notice], None]], Pipeline]
"""Loads the model, telling its progress and the devices there are, which it may do later too.
Raises WorldFMError."""


@dataclass(eq=False)
class QueuedFrame:
    """A frame to make. owner: the client; view: of a preview, None for a render.

    done: called once with the reply or the error, unless a newer preview took its place.
    idle: of a preview that is made while nothing else is asked for. stop: set where the frame in
    work is wanted no more, or not yet.
    """

    owner: Hashable
    id: int
    world: StoredWorld
    request: FrameRequest
    done: Callable[[FrameReply | WorldFMError], None]
    view: str | None = None
    cancelled: bool = False
    idle: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, eq=False)
class Busy:
    """The job in work, the time (`time.monotonic`) it began, and what it is at."""

    job: QueuedFrame
    since: float
    stage: str = ""


class Session:
    """The worker and what waits for it. `busy` may be read from any thread."""

    def __init__(
        self,
        load: Load,
        tell: Callable[[Event], None],
        give_up: Callable[[WorldFMError], None],
        log: str = "the log",
    ) -> None:
        """tell: events for every client. give_up: this process can never compute again.

        log: where the log lies, for the sentences about what nobody foresaw.
        """
        self.status: Progress | Ready | Broken = Progress("Starting.")
        self.devices = Devices(())
        self.busy: Busy | None = None
        self._load = load
        self._tell = tell
        self._give_up = give_up
        self._log_place = log
        self._change = threading.Condition()
        self._renders: deque[QueuedFrame] = deque()
        self._previews: OrderedDict[tuple[Hashable, str], QueuedFrame] = OrderedDict()
        self._previews_turn = True
        self._closed = False
        self._prepared: OrderedDict[int, tuple[StoredWorld, Any]] = OrderedDict()
        self._preview_pixels: float = float("inf")
        self._preview_pixels_since = 0.0
        self._previews_small = False
        self._thread = threading.Thread(target=self._work, name="worldfm-model", daemon=True)

    def start(self) -> None:
        """Begin to load the model."""
        self._thread.start()

    def close(self, timeout: float) -> bool:
        """Take no more work; True once the worker has ended, False when it still computes."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def submit(self, job: QueuedFrame) -> None:
        """Queue a job; a preview replaces the waiting one of its owner and view. An idle one in
        work gives way to whatever is not."""
        with self._change:
            if job.view is None:
                self._renders.append(job)
            else:
                self._previews[job.owner, job.view] = job
            if self.busy is not None and self.busy.job.idle and not job.idle:
                self.busy.job.stop.set()
            self._change.notify()

    def cancel(self, owner: Hashable, job_id: int) -> None:
        """Drop a waiting job; one in work is given up."""
        self._discard(lambda job: job.owner == owner and job.id == job_id)

    def drop_owner(self, owner: Hashable) -> None:
        """The client is gone: nothing of it needs an answer."""
        self._discard(lambda job: job.owner == owner)

    def _discard(self, unwanted: Callable[[QueuedFrame], bool]) -> None:
        with self._change:
            self._renders = deque(job for job in self._renders if not unwanted(job))
            for key, job in list(self._previews.items()):
                if unwanted(job):
                    del self._previews[key]
            busy = self.busy
            if busy is not None and unwanted(busy.job):
                busy.job.cancelled = True
                busy.job.stop.set()

    def _report(self, event: Progress | Devices | Ready | Broken | Notice) -> None:
        match event:
            case Notice():
                pass
            case Devices():
                self.devices = event
                _log.info("devices: %s", ", ".join(f"{d.id} ({d.name})" for d in event.devices))
            case Ready():
                self.status = event
                _log.info("ready: %s %s", event.model_name, event.model_hash)
            case _:
                self.status = event
        self._tell(event)

    def _work(self) -> None:
        try:
            self._load_and_answer()
        except BaseException as error:  # nobody else would notice that this thread has ended
            _log.critical("the worker failed", exc_info=True)
            self._give_up(as_told(error, "working", self._log_place))

    def _load_and_answer(self) -> None:
        try:
            pipeline = self._load(self._report)
            ready = Ready(pipeline.name, pipeline.hash, self._watch(pipeline))
        except (Exception, SystemExit) as error:  # libraries exit, too
            _log.exception("the model could not be loaded")
            told = as_told(error, "loading the model", self._log_place)
            self._report(Broken(told.code, str(told)))
            self._refuse_all(told)
            return
        self._report(ready)
        while (job := self._next()) is not None:
            answer = self._answer(pipeline, job)
            with self._change:
                self.busy = None
                if answer is None:
                    self._put_off(job)
            if answer is not None and not job.cancelled:
                job.done(answer)

    def _put_off(self, job: QueuedFrame) -> None:
        """It gave way: its turn comes again unless nobody wants it by now."""
        job.stop.clear()
        if not job.cancelled and job.view is not None:
            self._previews.setdefault((job.owner, job.view), job)

    def _watch(self, pipeline: Pipeline) -> bool:
        """Whether a pipeline lights surfaces; it tells then when drafts can be bettered."""
        lit: LitPipeline | None = getattr(pipeline, "lit", None)
        if lit is not None:
            lit.on_refined = lambda: self._tell(Refined())
        return lit is not None

    def _refuse_all(self, error: WorldFMError) -> None:
        while (job := self._next()) is not None:
            with self._change:
                self.busy = None
            job.done(error)

    def _next(self) -> QueuedFrame | None:
        """Wait for a job; renders and previews take turns, idle ones come last, small ones of them
        first. None = closed."""
        with self._change:
            while not (self._closed or self._renders or self._previews):
                self._change.wait()
            if self._closed:
                return None
            hurried = next((key for key, one in self._previews.items() if not one.idle), None)
            if hurried is not None and (self._previews_turn or not self._renders):
                job = self._previews.pop(hurried)
            elif self._renders:
                job = self._renders.popleft()
            else:
                job = self._previews.pop(min(self._previews, key=self._pixels))
            self._previews_turn = job.view is None
            self.busy = Busy(job, time.monotonic())
            return job

    def _pixels(self, preview: tuple[Hashable, str]) -> int:
        camera = self._previews[preview].request.camera
        return camera.width * camera.height

    def _answer(self, pipeline: Pipeline, job: QueuedFrame) -> FrameReply | WorldFMError | None:
        """None: it gave way to others."""
        try:
            with stoppable(job.stop), telling(self._note_stage):
                if job.view is None:
                    return self._render(pipeline, job.world, job.request)
                return self._render_preview(pipeline, job.world, job.request)
        except Stopped:
            return None
        except Exception as error:
            told = as_told(error, "rendering a frame", self._log_place)
            if told is not error:
                _log.exception("a frame failed")
            if is_device_lost(error):
                self._give_up(told)
            return told

    def _note_stage(self, words: str) -> None:
        if self.busy is not None:
            self.busy = replace(self.busy, stage=words)

    def _render(self, pipeline: Pipeline, world: StoredWorld, request: FrameRequest) -> FrameReply:
        try:
            return pipeline.render(self._prepare(pipeline, world), request)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            _log.warning("out of memory: %s", error)
            self._prepared.clear()
            width, height = request.camera.width, request.camera.height
            raise OutOfMemoryError(
                f"There is not enough memory for a frame of {width} x {height} pixels; lower the "
                "resolution, the number of references or the anchors' density."
            ) from error

    def _render_preview(
        self, pipeline: Pipeline, world: StoredWorld, request: FrameRequest
    ) -> FrameReply:
        """As large as memory allows; halves the size until the frame fits."""
        if time.monotonic() - self._preview_pixels_since > SMALL_PREVIEWS_S:
            self._preview_pixels = float("inf")
        while True:
            smaller = fitted(request, self._preview_pixels)
            try:
                reply = self._render(pipeline, world, smaller)
                if smaller is request and self._previews_small:
                    self._previews_small = False
                    self._tell(Notice(""))
                return reply
            except OutOfMemoryError:
                width, height = smaller.camera.width, smaller.camera.height
                if min(width, height) < 2 * SMALLEST_PREVIEW:
                    raise
                self._preview_pixels = width * height / 4
                self._preview_pixels_since = time.monotonic()
            self._previews_small = True
            size = fitted(request, self._preview_pixels).camera
            self._tell(
                Notice(
                    f"Previews are {size.width} x {size.height} pixels for now, because memory "
                    "ran out; close other programs or lower the viewport's resolution."
                )
            )

    def _prepare(self, pipeline: Pipeline, world: StoredWorld) -> Any:
        kept = self._prepared.pop(id(world), None)
        if kept is None:
            stage("Preparing shapes and materials")
            kept = (world, pipeline.prepare(world.assemble()))
        self._prepared[id(world)] = kept
        while len(self._prepared) > PREPARED_WORLDS:
            self._prepared.popitem(last=False)
        return kept[1]


def fitted(request: FrameRequest, pixels: float) -> FrameRequest:
    """The same request with at most `pixels` pixels; itself when it fits."""
    camera = request.camera
    if camera.width * camera.height <= pixels:
        return request
    scale = (pixels / (camera.width * camera.height)) ** 0.5
    width, height = max(1, int(camera.width * scale)), max(1, int(camera.height * scale))
    return replace(request, camera=camera.resized(width, height))
