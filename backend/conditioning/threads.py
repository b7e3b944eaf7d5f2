# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that threads share: several things at once, and rows of arrays in pieces, which are the same
on any machine."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import TypeVar

T = TypeVar("T")
PIECE = 8192
"""Rows of a piece; enough for a thread to be worth waking."""
_NICE = 10

_here = threading.local()


class Stopped(Exception):
    """Work that nobody waits for any more was given up."""


def thread_count() -> int:
    """Threads to use: OMP_NUM_THREADS where it is set (`--threads` does), else the cores; half of
    them for work `beside` what somebody waits for."""
    try:
        count = max(1, int(os.environ["OMP_NUM_THREADS"]))
    except (KeyError, ValueError):
        affinity = getattr(os, "sched_getaffinity", None)
        count = max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)
    return max(1, count // 2) if _is_beside() else count


@contextmanager
def beside() -> Iterator[None]:
    """What this thread does within takes half of the cores, and no piece's turn from others."""
    _here.beside = True
    try:
        yield
    finally:
        _here.beside = False


@contextmanager
def stoppable(stop: threading.Event) -> Iterator[None]:
    """What this thread does within raises Stopped soon after `stop` is set."""
    _here.stop = stop
    try:
        yield
    finally:
        _here.stop = None


def look_whether_to_stop() -> None:
    """Raises Stopped where that is wanted (`stoppable`)."""
    stop = _stop_here()
    if stop is not None and stop.is_set():
        raise Stopped


def give_way() -> None:
    """Let this thread alone run when others leave time to it, where the system can do that."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _is_beside() -> bool:
    return getattr(_here, "beside", False)


def _stop_here() -> threading.Event | None:
    return getattr(_here, "stop", None)


@cache
def _pool(is_beside: bool) -> ThreadPoolExecutor:
    name = "worldfm-beside" if is_beside else "worldfm-light"
    return ThreadPoolExecutor(thread_count(), name, give_way if is_beside else None)


def in_pieces(work: Callable[[slice], None], count: int, piece: int = PIECE) -> None:
    """Call `work` with every piece of `count` rows; the pieces are the same on any machine."""
    pieces = [slice(start, min(start + piece, count)) for start in range(0, count, piece)]
    stop = _stop_here()

    def do(part: slice) -> None:
        if stop is not None and stop.is_set():
            raise Stopped
        work(part)

    if len(pieces) < 2 or thread_count() == 1:
        for part in pieces:
            do(part)
        return
    for _ in _pool(_is_beside()).map(do, pieces):  # raises what a piece raised
        pass


def at_once(*works: Callable[[], T]) -> list[T]:
    """What each of them makes; while one is between its pieces, others have theirs done."""
    if thread_count() == 1 or len(works) == 1:
        return [work() for work in works]
    is_beside, stop = _is_beside(), _stop_here()

    def run(work: Callable[[], T]) -> T:
        _here.beside, _here.stop = is_beside, stop
        return work()

    with ThreadPoolExecutor(thread_count(), "worldfm-at-once") as pool:
        return list(pool.map(run, works))
