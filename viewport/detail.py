# SPDX-License-Identifier: GPL-3.0-or-later
"""How finely a moved frame is drawn: as finely as its draws stay short enough.

A graphics card takes commands and answers at once. OpenGL in software computes within the call, and
what it computed is waited for; a weak card that a model keeps busy may do so too. There a draw that
took too long makes the next ones coarser.
"""

from __future__ import annotations

import math

BUDGET_SECONDS = 0.006
"""How long one draw of a moved frame may hold Blender's main thread, by the clock."""
LEVELS = 4
"""Each has half the pixels of the one before it."""
_SPARE = 3
"""A draw this many times shorter than the budget leaves room for twice the pixels."""
_SLOW_DRAWS = 2
"""In a row: a single one waited for something else, such as the compilation of a shader."""
_PATIENCE = 8
"""Quick draws in a row before a finer level is tried; so many times more after each fall."""


class Detail:
    """The level that is drawn with now, and what the last draws took."""

    def __init__(self) -> None:
        self._level = 0
        self._slow: list[float] = []
        self._quick = 0
        self._patience = _PATIENCE

    @property
    def share(self) -> float:
        """Of the finest level's lengths and counts: 1 to about a third."""
        return 2 ** (-self._level / 2)

    def note(self, seconds: float) -> None:
        """A draw at the present level took so long."""
        if seconds > BUDGET_SECONDS:
            self._quick = 0
            self._slow.append(seconds)
            if len(self._slow) == _SLOW_DRAWS:
                self._fall(min(self._slow) / BUDGET_SECONDS)
            return
        self._slow.clear()
        self._quick = self._quick + 1 if seconds * _SPARE < BUDGET_SECONDS else 0
        if self._level and self._quick >= self._patience:
            self._level, self._quick = self._level - 1, 0

    def _fall(self, times: float) -> None:
        """times: too long the draws were, more than 1."""
        fallen = min(LEVELS - 1, self._level + math.ceil(math.log2(times)))
        if fallen > self._level:
            self._level, self._patience = fallen, self._patience * _PATIENCE
        self._slow.clear()
