# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are killed, whose backends must go; backends that are killed, whose frames must come.

The hosts have the real backend and are killed at any moment of its start and after; half of the
backends are stopped (SIGSTOP) when it happens, those that are past their interpreter's start.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from backend.client import BackendClient, BackendState
from backend.shared.errors import WorldFMError
from backend.shared.world import World
from tests.client.conftest import ROOT, anchors, ask, memory, settings
from tests.client.tiny_backend import tiny_reply

from .process import GONE_SECONDS, in_child, orphans
from .report import Report
from .works import said_as_json

LATEST = 2.5
"""Seconds after its start at which a host is killed at the latest."""
FRAMES = 12


def deaths_of_hosts(count: int, report: Report, chance: random.Random) -> None:
    """`count` hosts are killed; their backends are gone within GONE_SECONDS."""
    took, stopped = [], 0
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        for number in range(count):
            known = {child.pid for child in psutil.Process().children()}
            host = os.fork()
            if host == 0:
                _host(Path(folder))
            time.sleep(chance.uniform(0.05, LATEST))
            if number % 2:
                stopped += _stop_children(host)
            os.kill(host, signal.SIGKILL)
            os.waitpid(host, 0)
            began = time.monotonic()
            wrong = orphans(known, GONE_SECONDS)
            took.append(time.monotonic() - began)
            report.add("host killed, backend stopped" if number % 2 else "host killed", wrong)
    report.figures["backend gone after its host, seconds"] = {
        "median": round(float(np.median(took)), 3), "most": round(max(took), 3),
        "stopped": stopped,
    }  # fmt: skip


def _host(folder: Path) -> None:
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 2)
        client = BackendClient()
        client.start(settings(folder, "embedded", package="backend", root=ROOT))
        time.sleep(600)
    finally:
        os._exit(0)


def _stop_children(pid: int) -> int:
    """Those that have asked the system to end them with their parent: before that, in the first
    moments of an interpreter, nothing can be done for a process that is stopped."""
    stopped = 0
    with contextlib.suppress(psutil.Error, OSError):
        for child in psutil.Process(pid).children(recursive=True):
            if "_multiarray_umath" in Path(f"/proc/{child.pid}/maps").read_text(encoding="utf-8"):
                child.suspend()
                stopped += 1
    return stopped


def deaths_of_backends(count: int, report: Report, chance: random.Random) -> None:
    """Animations whose backend is killed in the middle, `count` times in all: no frame is lost."""
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        for _ in range(count):
            seed = chance.randrange(2**32)
            ended = in_child(lambda seed=seed: _animation(Path(folder), seed), Path(folder, "log"))
            told = said_as_json(ended.said)
            wrong = list(ended.wrong)
            if not isinstance(told, dict) or told["right"] != FRAMES:
                wrong.append(f"frame lost: {ended.said[-300:]}")
            report.add("backend killed", wrong)


def _animation(folder: Path, seed: int) -> None:
    """FRAMES frames; the backend is killed once or twice meanwhile."""
    chance = random.Random(seed)
    client = BackendClient()
    client.set_world("w", 7, anchors(), [memory()])
    client.start(settings(folder, model="tiny=0.05"))
    tickets = [client.request("w", ask(seed)) for seed in range(FRAMES)]
    for _ in range(chance.choice((1, 1, 2))):
        while client.state is not BackendState.READY:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        for child in psutil.Process().children():
            child.send_signal(chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV)))
        tickets[0].wait(60)
    world, right = World(anchors(), [memory()], 7, {}), 0
    for number, ticket in enumerate(tickets):
        with contextlib.suppress(WorldFMError):
            wanted = tiny_reply(world, ask(number))
            right += bool(np.array_equal(ticket.result(120).color, wanted.color))
    print(json.dumps({"right": right, "restarts": client.restarts}), flush=True)
    client.stop(5.0)
