# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a process that can be killed at any moment, and what it left behind (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

GONE_SECONDS = 2.0
"""How long what a killed process had started may outlive it."""
HANG_SECONDS = 5.0
"""Of a processor: a busy machine is no hang."""
PATIENCE = 300.0
MOST_BYTES = 2 << 30
BUG = 99
"""Exit status of a child that met an exception no user should see."""
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Ended:
    """How a child ended. status: exit status, or minus the signal. seconds: of a processor.
    took: seconds by the clock. wrong: what must not be."""

    status: int
    said: str
    seconds: float
    took: float
    wrong: list[str] = field(default_factory=list)

    @property
    def killed(self) -> bool:
        """Whether it was cut off before it was through."""
        return self.status == -signal.SIGKILL


def adopt_orphans() -> None:
    """What processes of ours leave behind becomes a child of this one, and so is seen."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def in_child(work: Callable[[], None], log: Path, kill_after: float | None = None) -> Ended:
    """Run `work` in a copy of this process; SIGKILL to it alone `kill_after` seconds later."""
    known = {child.pid for child in psutil.Process().children()}
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _work(work, log)
    try:
        size = psutil.Process(child).memory_info().rss
    except psutil.Error:
        size = 0
    timed_out = not _waited(child, PATIENCE if kill_after is None else kill_after)
    if timed_out:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    took = time.monotonic() - began
    ended = Ended(
        os.waitstatus_to_exitcode(status),
        log.read_text(encoding="utf-8", errors="replace"),
        used.ru_utime + used.ru_stime,
        took,
    )
    if "Traceback (most recent call last)" in ended.said or ended.status == BUG:
        ended.wrong.append("traceback: " + ended.said.strip()[-600:])
    if ended.status < 0 and not timed_out:
        ended.wrong.append(f"crash: it ended by signal {-ended.status}: {ended.said[-300:]}")
    if timed_out and kill_after is None:
        ended.wrong.append("hang: it did not end")
    if used.ru_maxrss * 1024 - size > MOST_BYTES:
        ended.wrong.append(f"memory: {used.ru_maxrss >> 10} MB")
    ended.wrong += orphans(known)
    return ended


def orphans(known: set[int], seconds: float = GONE_SECONDS) -> list[str]:
    """Who is still there of what ended processes had started; they are ended here."""
    end = time.monotonic() + seconds
    while left := _strays(known):
        if time.monotonic() > end:
            names = [" ".join(_words(process))[:80] for process in left]
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            return [f"orphan: {name}" for name in names]
        time.sleep(0.02)
    return []


def _strays(known: set[int]) -> list[psutil.Process]:
    left = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if process.pid in known:
                continue
            if process.status() == psutil.STATUS_ZOMBIE:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
            else:
                left.append(process)
    return left


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return ["?"]


def _waited(child: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(min(0.005, max(0.0, end - time.monotonic())))
    return False


def _work(work: Callable[[], None], log: Path) -> None:
    code = 0
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = BUG
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
