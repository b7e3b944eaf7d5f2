# SPDX-License-Identifier: GPL-3.0-or-later
"""How a backend is started and which states it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class BackendState(Enum):
    """What the backend is doing, as one word; `BackendClient.status_text` is the sentence."""

    STOPPED = "stopped"
    STARTING = "starting"  # process coming up, model loading; requests are queued
    READY = "ready"
    RESTARTING = "restarting"  # it died or hung; what was asked is asked again
    FAILED = "failed"  # it will not come up by itself; status_text says what to do


@dataclass(frozen=True)
class RemoteBackend:
    """A backend on another machine, started there by its owner with `worldfm serve --host`.

    url: wss://HOST:PORT. ca_file: certificate to trust, None = the system's authorities.
    """

    url: str
    token: str
    ca_file: Path | None = None


@dataclass(frozen=True)
class LaunchSettings:
    """Everything that decides which backend comes up.

    python: interpreter of the backend's environment. root: folder that holds the package
    `package` (the extension's folder). data_dir: where logs lie; created when absent.
    model: name or path. device: auto, cpu, cuda, cuda:N, mps. dtype: auto, float32, bfloat16,
    float16. threads: CPU threads of the model, 0 = the library's choice.
    gives_way: other programs' threads go before its, so that the host stays quick.
    remote: talk to this one instead of starting a process.
    silence_s: a backend whose heartbeat stays away for so long counts as hung (three times as
    long while it loads). frame_limit_s: longest time one frame of a megapixel may take per step.
    """

    python: Path
    root: Path
    data_dir: Path
    package: str = "backend"
    model: str = "embedded"
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    gives_way: bool = False
    remote: RemoteBackend | None = None
    silence_s: float = 30.0
    frame_limit_s: float = 300.0
