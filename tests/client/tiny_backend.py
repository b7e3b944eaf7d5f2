# SPDX-License-Identifier: GPL-3.0-or-later
"""The real server process around a model so small that tests of the transport are quick.

`python -m tests.client.tiny_backend serve --child`: the model's name says how it behaves.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.commands.serve import _start_log, serve_parent
from backend.serving.loading import ModelChoice
from backend.serving.session import Load
from backend.shared.color import halves_of_bytes
from backend.shared.errors import ModelError
from backend.shared.frame import FrameReply, FrameRequest
from backend.shared.messages import DeviceInfo, Devices, Progress

CPU = DeviceInfo("cpu", "Test CPU", "cpu", 1 << 30, 1 << 29, ("float32",))


class TinyPipeline:
    """Every pixel tells of the request and the world, so that a mixed-up answer shows."""

    name = "tiny"
    hash = "0123456789ab"

    def __init__(self, seconds: float = 0.0, most_pixels: float = float("inf")) -> None:
        self.seconds = seconds
        self.most_pixels = most_pixels
        self.rendered = 0

    def prepare(self, world):
        return world

    def render(self, world, request: FrameRequest) -> FrameReply:
        time.sleep(self.seconds)
        camera = request.camera
        if camera.width * camera.height > self.most_pixels:
            raise MemoryError
        self.rendered += 1
        return replace(tiny_reply(world, request), timings={"rendered": float(self.rendered)})


class LosesItsDevice(TinyPipeline):
    """A graphics card whose driver is reset once."""

    def __init__(self, trap: Path) -> None:
        super().__init__()
        self.trap = trap

    def render(self, world, request: FrameRequest) -> FrameReply:
        if self.trap.exists():
            import torch

            self.trap.unlink()
            raise torch.AcceleratorError("CUDA error: unspecified launch failure\nmore of it")
        return super().render(world, request)


def tiny_reply(world, request: FrameRequest) -> FrameReply:
    """What TinyPipeline answers; the oracle of the tests."""
    height, width = request.camera.height, request.camera.width
    rng = np.random.default_rng(request.seed)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    rgb[0, 0] = world.anchors.rgb.sum() % 251
    depth = np.full((height, width), world.anchors.xyz.sum(dtype=np.float64), np.float32)
    depth[0, 0] = np.inf
    coverage = np.full((height, width), len(world.memory), np.float32)
    anchor_rgb = np.full((height, width, 3), request.steps, np.uint8)
    return FrameReply(
        halves_of_bytes(rgb),
        depth,
        coverage,
        anchor_rgb,
        request,
        world.revision,
        "tiny",
        "0123456789ab",
    )


def make_load(choice: ModelChoice) -> Load:
    """tiny[=SECONDS per frame] | small=PIXELS | absent | bug | crash=FILE (each time it exists)
    | lost=FILE (the device, at the first frame while it exists)
    """
    name, _, value = choice.model.partition("=")

    def load(report):
        report(Devices((CPU,)))
        report(Progress("Loading the model tiny.", 0.5))
        if name == "absent":
            raise ModelError("There is no model 'absent'; choose one in the preferences.")
        if name == "bug":
            raise ZeroDivisionError("by zero")
        if name == "crash" and Path(value).exists():
            os.abort()
        if name == "small":
            return TinyPipeline(most_pixels=float(value))
        if name == "lost":
            return LosesItsDevice(Path(value))
        return TinyPipeline(seconds=float(value or 0) if name == "tiny" else 0.0)

    return load


if __name__ == "__main__":
    assert sys.argv[1:] == ["serve", "--child"]
    _start_log()
    serve_parent(make_load)
