# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process stays as it is: its memory, files and threads, sampled while it works.

Also imported inside Blender: the standard library alone.
"""

from __future__ import annotations

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


def growth(samples: list[Sample]) -> dict[str, float]:
    """How much more of each the last third of the settled samples has than the first third."""
    settled = samples[int(len(samples) * SETTLED) :]
    third = max(1, len(settled) // 3)
    early, late = settled[:third], settled[-third:]
    return {
        name: median(s[name] for s in late) - median(s[name] for s in early)
        for name in ("resident", "files", "threads")
    }
