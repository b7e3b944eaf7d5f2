# SPDX-License-Identifier: GPL-3.0-or-later
"""How long work reports where it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the part done in [0, 1] and what is being done; raises Cancelled to stop the work."""


def silent(fraction: float, text: str) -> None:
    """Reports to nobody."""


def part(progress: Progress, start: float, end: float) -> Progress:
    """A progress whose 0 to 1 is `start` to `end` of `progress`."""
    return lambda fraction, text: progress(start + (end - start) * fraction, text)
