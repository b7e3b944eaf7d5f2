# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from backend.client import BackendClient, BackendState, LaunchSettings
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics
from backend.shared.frame import FrameRequest, MemoryFrame

ROOT = Path(__file__).parents[2]


def camera(width: int = 24, height: int = 16) -> Camera:
    return Camera(intrinsics(1.0, width, height), np.eye(4), width, height)


def ask(seed: int = 0, width: int = 24, height: int = 16) -> FrameRequest:
    return FrameRequest(camera(width, height), 1, seed)


def anchors(count: int = 100, seed: int = 0) -> Anchors:
    rng = np.random.default_rng(seed)
    return Anchors(
        rng.normal(size=(count, 3)).astype(np.float32),
        rng.integers(0, 256, (count, 3), dtype=np.uint8),
        np.full(count, 0.01, np.float32),
    )


def memory(seed: int = 0) -> MemoryFrame:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    return MemoryFrame(f"m{seed}", f"View {seed}", camera(), rgb, np.ones((16, 24), np.float32))


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Poll until it holds; fails when it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def children() -> list[psutil.Process]:
    """Backends of this process that are alive."""
    found = psutil.Process().children(recursive=True)
    return [p for p in found if p.status() != psutil.STATUS_ZOMBIE and "serve" in p.cmdline()]


def backend_process() -> psutil.Process:
    (process,) = children()
    return process


def settings(folder: Path, model: str = "tiny", **changes: object) -> LaunchSettings:
    defaults = {
        "python": Path(sys.executable),
        "root": ROOT,
        "data_dir": folder,
        "package": "tests.client.tiny_backend",
        "model": model,
    }
    return LaunchSettings(**{**defaults, **changes})  # type: ignore[arg-type]


@pytest.fixture
def client() -> Iterator[BackendClient]:
    client = BackendClient()
    yield client
    client.stop(5.0)
    until(lambda: not children())


@pytest.fixture
def ready(client: BackendClient, tmp_path: Path) -> BackendClient:
    """A client with a world 'w' and a backend that is up."""
    client.set_world("w", 7, anchors(), [memory()])
    client.start(settings(tmp_path))
    until(lambda: client.state is not BackendState.STARTING)
    assert client.state is BackendState.READY, client.status_text
    return client


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder as unfriendly as users have them."""
    return tmp_path / "Donées 世界" / "world fm"
