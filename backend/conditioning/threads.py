# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on rows of arrays, cut into pieces that threads share: the same pieces on any machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

PIECE = 8192
"""Rows of a piece; enough for a thread to be worth waking."""


def thread_count() -> int:
    """Threads to use: OMP_NUM_THREADS where it is set (`--threads` does), else the cores."""
    try:
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    except (KeyError, ValueError):
        affinity = getattr(os, "sched_getaffinity", None)
        return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="worldfm-light")


def in_pieces(work: Callable[[slice], None], count: int, piece: int = PIECE) -> None:
    """Call `work` with every piece of `count` rows; the pieces are the same on any machine."""
    pieces = [slice(start, min(start + piece, count)) for start in range(0, count, piece)]
    if len(pieces) < 2 or thread_count() == 1:
        for part in pieces:
            work(part)
        return
    for _ in _pool().map(work, pieces):  # raises what a piece raised
        pass
