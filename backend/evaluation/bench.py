# SPDX-License-Identifier: GPL-3.0-or-later
"""What the embedded model, the point renderer and the backend's process take on this machine.

Each function gives a list of `Figure`s. Every number is a median of what was measured just now.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..client import BackendClient, BackendState, LaunchSettings
from ..conditioning.anchors.lifting import lift
from ..conditioning.anchors.point_renderer import PointCloud, render_points
from ..pipelines.embedded import choose_device
from ..serving.loading import ModelChoice, open_pipeline
from ..shared.anchors import Anchors
from ..shared.camera import Camera, intrinsics, look_at
from ..shared.errors import BackendError
from ..shared.frame import FrameRequest, MemoryFrame
from ..shared.world import World

ROOM = np.array([8.0, 6.0, 3.0])
"""Metres; a box with its floor at z = 0, the middle of the floor at the origin."""
MEMORY_FRAMES = 4
SIZES = ((256, 5.0), (512, 1.0))
"""Pixels a side, and frames a second that are aimed at."""
START_LIMIT_S = 400.0


@dataclass(frozen=True)
class Figure:
    """One measurement. aim: what the project asks for on two CPU cores, None = nothing.

    at_least: whether larger is better. parts: milliseconds of each stage.
    """

    name: str
    value: float
    unit: str
    aim: float | None = None
    at_least: bool = False
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times better than the aim; below 1 the aim is missed."""
        if self.aim is None:
            return None
        return self.value / self.aim if self.at_least else self.aim / self.value


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cuda = torch.cuda.is_available()
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "accelerator": torch.cuda.get_device_name() if cuda else None,
    }


def bench_frame(model: str, device: str, repeats: int = 5) -> list[Figure]:
    """Frames of the model at 256 x 256 and 512 x 512, with four memory frames, stages apart."""
    pipeline: Any = open_pipeline(ModelChoice(model, device))  # a kind prepares for itself alone
    figures = []
    for size, aim in SIZES:
        world = room_world(size)
        start = time.perf_counter()
        prepared = pipeline.prepare(world)
        preparing = (time.perf_counter() - start) * 1000
        around = 0.0
        for steps in (1, 2):
            warm, *frames = (
                pipeline.render(prepared, FrameRequest(camera, steps=steps)).timings
                for camera in room_cameras(size, repeats + 1)
            )
            around = max(around, warm.get("surroundings", 0.0))
            stages = {name: statistics.median(f[name] for f in frames) for name in frames[0]}
            total = statistics.median(sum(f.values()) for f in frames)
            figures.append(
                Figure(
                    f"{size} x {size}, {steps} step{'s' * (steps > 1)}",
                    1000 / total,
                    "frames/s",
                    aim if steps == 1 else None,
                    at_least=True,
                    parts=stages,
                )
            )
        figures.append(Figure(f"{size} x {size}, preparing the world", preparing, "ms"))
        figures.append(Figure(f"{size} x {size}, imagining its surroundings", around, "ms"))
    return figures


def bench_anchors(
    device: str, count: int = 4_000_000, size: int = 512, repeats: int = 7
) -> list[Figure]:
    """`count` points at `size` x `size`, all around the camera."""
    anchors = room_points(count)
    cloud = PointCloud(anchors, choose_device(device))
    synchronise = torch.cuda.synchronize if cloud.device.type == "cuda" else (lambda: None)

    def draw(camera: Camera) -> None:
        render_points(cloud, camera)
        synchronise()

    cameras = room_cameras(size, repeats + 1)
    times = [_milliseconds(partial(draw, camera)) for camera in cameras][1:]
    lifted = room_frame(room_cameras(size, 1)[0])
    return [
        Figure(
            f"{count / 1e6:g} M points at {size} x {size}", statistics.median(times), "ms", aim=60.0
        ),
        Figure(
            f"{size} x {size} memory frame to points",
            statistics.median(_milliseconds(lambda: lift(lifted)) for _ in range(3)),
            "ms",
        ),
    ]


def bench_transport(model: str, device: str, repeats: int = 5) -> list[Figure]:
    """A backend in its own process: start, memory, and what crossing to it and back adds."""
    with tempfile.TemporaryDirectory() as folder, _backend(Path(folder), model, device) as started:
        client, seconds = started
        figures = [Figure("backend ready", seconds, "s", aim=10.0)]
        for size, _ in SIZES:
            world = room_world(size)
            client.set_world("bench", size, world.anchors, world.memory)
            times, crossings = [], []
            for camera in room_cameras(size, repeats + 1):
                start = time.perf_counter()
                reply = client.request("bench", FrameRequest(camera)).result(START_LIMIT_S)
                times.append((time.perf_counter() - start) * 1000)
                crossings.append(times[-1] - sum(reply.timings.values()))
            # the first frame of a world waits until the world is over there
            figures += [
                Figure(f"{size} x {size}, first frame with its world", times[0], "ms"),
                Figure(f"{size} x {size}, round trip", statistics.median(times[1:]), "ms"),
                Figure(
                    f"{size} x {size}, round trip without the model's stages",
                    statistics.median(crossings[1:]),
                    "ms",
                ),
            ]
        resident = _resident_children()
        if resident is not None:
            figures.append(Figure("backend resident", resident / 2**30, "GiB", aim=2.0))
    return figures


def room_cameras(size: int, count: int) -> list[Camera]:
    """A short flight through the room."""
    K = intrinsics(1.2, size, size)
    return [
        Camera(
            K, look_at(np.array([-2.5 + 0.1 * i, -0.6, 1.5]), np.array([3.0, 0.8, 1.3])), size, size
        )
        for i in range(count)
    ]


def room_frame(camera: Camera) -> MemoryFrame:
    """The painted walls of the room, as `camera` (inside) sees them."""
    rays = camera.rays().astype(np.float64)
    low, high = np.array([-0.5, -0.5, 0.0]) * ROOM, np.array([0.5, 0.5, 1.0]) * ROOM
    with np.errstate(divide="ignore"):
        exits = np.where(rays > 0, (high - camera.position) / rays, (low - camera.position) / rays)
    depth = np.where(rays == 0, np.inf, exits).min(axis=-1)
    points = camera.position + depth[..., None] * rays
    name = f"{camera.position[0]:.2f}"
    return MemoryFrame(name, name, camera, _paint(points), depth.astype(np.float32))


def room_world(size: int) -> World:
    """The room as `MEMORY_FRAMES` memory frames of `size` x `size` and their points."""
    memory = [room_frame(camera) for camera in room_cameras(size, MEMORY_FRAMES * 3)[::3]]
    return World(Anchors.concatenate([lift(frame) for frame in memory]), memory, 1, {})


def room_points(count: int) -> Anchors:
    """`count` points spread over the room's six sides."""
    rng = np.random.default_rng(0)
    areas = np.array([ROOM[1] * ROOM[2], ROOM[0] * ROOM[2], ROOM[0] * ROOM[1]])
    axis = rng.choice(3, count, p=areas / areas.sum())
    xyz = rng.random((count, 3))
    xyz[np.arange(count), axis] = rng.integers(0, 2, count)
    xyz = (xyz - (0.5, 0.5, 0.0)) * ROOM
    radius = np.full(count, 0.5 * np.sqrt(2 * areas.sum() / count), np.float32)
    return Anchors(xyz.astype(np.float32), _paint(xyz), radius)


def _paint(points: np.ndarray) -> np.ndarray:
    return (127 + 80 * np.sin(3 * points + points[..., ::-1])).astype(np.uint8)


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


@contextmanager
def _backend(folder: Path, model: str, device: str) -> Iterator[tuple[BackendClient, float]]:
    """A backend started as a host application does, and how many seconds that took."""
    package = Path(__file__).resolve().parents[1]
    client = BackendClient()
    start = time.perf_counter()
    client.start(
        LaunchSettings(
            python=Path(sys.executable),
            root=package.parent,
            data_dir=folder,
            package=package.name,
            model=model,
            device=device,
        )
    )
    try:
        while client.state is not BackendState.READY:
            if client.state is BackendState.FAILED:
                raise BackendError(client.status_text)
            if time.perf_counter() - start > START_LIMIT_S:
                raise BackendError(
                    f"The backend was not ready after {START_LIMIT_S:.0f} s; "
                    "try again when the machine is less busy."
                )
            time.sleep(0.01)
        yield client, time.perf_counter() - start
    finally:
        client.stop()


def _resident_children() -> int | None:
    """Bytes of memory that the child processes hold; None without psutil."""
    try:
        import psutil
    except ImportError:
        return None
    children = psutil.Process().children(recursive=True)
    return sum(child.memory_info().rss for child in children)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
