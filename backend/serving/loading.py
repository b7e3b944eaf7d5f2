# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fresh backend does before it is ready: find devices, load the model, warm it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..models.weights_file import EMBEDDED, weights_hash
from ..pipelines.lit_seam import LitPipeline, load_lit_pipeline
from ..shared.anchors import Anchors
from ..shared.camera import Camera, intrinsics, look_at
from ..shared.errors import BackendError
from ..shared.frame import FrameRequest, MemoryFrame
from ..shared.messages import DeviceInfo, Devices, Notice, Progress
from .lit_first import LitFirst

if TYPE_CHECKING:
    from ..pipelines.embedded import FramePipeline
    from ..pipelines.official import OfficialPipeline
    from .session import Pipeline

SHIPPED = "embedded"
WARM_UP_SIZE = 64
OFFICIAL_SIZE = 512
"""Pixels a side that the official model was trained at; other sizes run without compilation."""


@dataclass(frozen=True)
class ModelChoice:
    """Which model, where and how exactly; see LaunchSettings for the words."""

    model: str = "embedded"
    device: str = "auto"
    dtype: str = "auto"


Report = Callable[[Progress | Devices | Notice], None]


def load_pipeline(
    choice: ModelChoice, report: Report
) -> FramePipeline | OfficialPipeline | LitFirst:
    """What makes frames. With the embedded model, scenes with surfaces are answered at once."""
    lit = load_lit_pipeline() if choice.model == SHIPPED else None
    if lit is None:
        return load_whole(choice, report)
    try:
        digest = weights_hash(EMBEDDED)
    except OSError:  # loading it says what is wrong
        return load_whole(choice, report, lit)
    _compile(lit, report)

    def load() -> FramePipeline | OfficialPipeline:
        def told(event: Progress | Devices | Notice) -> None:
            if isinstance(event, Devices):
                report(event)

        return load_whole(choice, told, lit)

    return LitFirst(lit, load, lambda error: report(Notice(str(error))), SHIPPED, digest)


def load_whole(
    choice: ModelChoice, report: Report, lit: LitPipeline | None = None
) -> FramePipeline | OfficialPipeline:
    """The model, ready to render. torch is imported here, so that the server answers before.

    lit: what lights scenes, where that is at hand.
    """
    report(Progress("Loading PyTorch."))
    from ..pipelines.embedded import FramePipeline
    from ..pipelines.official import OfficialPipeline
    from .devices import probe

    devices = probe()
    report(Devices(devices))
    _check_device(choice.device, devices)
    report(Progress(f"Loading the model {choice.model}."))
    pipeline = open_pipeline(choice)
    report(Progress("Warming up."))
    warm_up(pipeline)
    if isinstance(pipeline, FramePipeline):
        if lit is not None:
            pipeline.lit = lit
        elif pipeline.lit is not None:
            _compile(pipeline.lit, report)
    if isinstance(pipeline, OfficialPipeline) and pipeline.device.type == "cuda":
        for steps in (1, 2):
            pipeline.warm_up(
                OFFICIAL_SIZE,
                OFFICIAL_SIZE,
                steps,
                lambda what, share: report(Progress(f"Warming up: {what}.", share)),
            )
    return pipeline


def _compile(lit: LitPipeline, report: Report) -> None:
    from ..pipelines.kernels import compile_kernels

    report(Progress("Preparing kernels: half a minute once a version, a moment otherwise."))
    compile_kernels(lit)


def open_pipeline(choice: ModelChoice) -> FramePipeline | OfficialPipeline:
    """The pipeline that the chosen model needs. Raises ModelError when it cannot be loaded."""
    from ..pipelines.embedded import FramePipeline
    from ..pipelines.official import OfficialPipeline, is_official

    kind = OfficialPipeline if is_official(choice.model) else FramePipeline
    return kind.from_pretrained(choice.model, choice.device, choice.dtype)


def warm_up(pipeline: Pipeline) -> None:
    """Render one small frame of a flat grey world, so that the user's first is not slow."""
    from ..shared.world import World

    size = WARM_UP_SIZE
    c2w = look_at(np.array([0.0, -3.0, 0.0]), np.zeros(3))
    camera = Camera(intrinsics(1.0, size, size), c2w, size, size)
    grey = np.full((size, size, 3), 128, np.uint8)
    depth = np.full((size, size), 3.0, np.float32)
    points = camera.position + camera.rays().reshape(-1, 3) * np.float32(3.0)
    anchors = Anchors(points, grey.reshape(-1, 3), np.full(size * size, 0.02, np.float32))
    memory = [MemoryFrame("warm-up", "Warm-up", camera, grey, depth)]
    world = World(anchors, memory, 0, {})
    pipeline.render(pipeline.prepare(world), FrameRequest(camera))


def _check_device(wanted: str, devices: tuple[DeviceInfo, ...]) -> None:
    known = {d.id for d in devices} | {d.id.split(":")[0] for d in devices} | {"auto"}
    if wanted not in known:
        names = ", ".join(f"{d.id} ({d.name})" for d in devices)
        raise BackendError(
            f"The device {wanted} does not work on this computer; choose one of {names}."
        )
