# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process stays as it is: its memory, files and threads, sampled while it works.

Also imported inside Blender: the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from statistics import median
from typing import TypedDict

MOST_GROWTH = 24 << 20
"""Bytes that resident memory may differ by between the first and the last third of the samples:
allocators come to rest late. What a leak of whole frames adds is told by the run's own length."""
SETTLED = 0.25
"""Share of a run after which nothing is new to either process."""


class Sample(TypedDict):
    """resident: bytes; files: open descriptors; threads: how many."""

    resident: int
    files: int
    threads: int


def sample(pid: int) -> Sample:
    """A process of this computer as it is now (Linux)."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        words = dict(line.split(":", 1) for line in status if ":" in line)
    return {
        "resident": int(words["VmRSS"].split()[0]) * 1024,
        "files": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(words["Threads"]),
    }


def give_back() -> None:
    """Have this process's allocator hand back what is free: it may keep that for later (Linux).

    oneTBB's, which Debian's Blender has, keeps freed blocks of every size.
    """
    with contextlib.suppress(OSError, AttributeError):
        tbb = ctypes.CDLL("libtbbmalloc.so.2", os.RTLD_NOLOAD)
        tbb.scalable_allocation_command(0, None)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def growth(samples: list[Sample]) -> dict[str, float]:
    """How much more of each the last third of the settled samples has than the first third."""
    settled = samples[int(len(samples) * SETTLED) :]
    third = max(1, len(settled) // 3)
    early, late = settled[:third], settled[-third:]
    return {
        name: median(s[name] for s in late) - median(s[name] for s in early)
        for name in ("resident", "files", "threads")
    }
