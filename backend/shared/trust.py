# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the depth of a world of pictures can be trusted, as it was measured when they came in.

It stands in the world's provenance, and both sides put it into words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from .reading import MALFORMED

AGREEMENT, LEFT_OUT = "depth_agreement", "left_out_db"
"""Keys in a world's provenance."""
GOOD, NEARBY = (0.6, 20.0), (0.35, 16.0)
"""Least agreement, and dB, of depth that is called good, and usable nearby."""


SENTENCES = {
    "agreement": "Depth agrees in {} % of what the pictures saw.",
    "both": "Depth agrees in {} % of what the pictures saw; views left out came back at {} dB.",
    "good": "Good: the camera may leave the places of the pictures.",
    "usable nearby": "Usable nearby: stay near the places of the pictures; blank walls may be off.",
    "poor": "Poor: expect wrong shapes away from the pictures; take more of them, closer together.",
}
"""What a user is told, in English."""


class Level(Enum):
    """What an artist may do with it."""

    GOOD = "good"
    NEARBY = "usable nearby"
    POOR = "poor"


@dataclass(frozen=True)
class Trust:
    """agreement: part of what pictures saw on whose depth others agree, [0, 1]. left_out: dB of a
    few pictures against what the others alone show there; none where that cannot be measured."""

    agreement: float
    left_out: tuple[float, ...] = ()

    @property
    def decibels(self) -> float | None:
        """Mean of those left out."""
        return sum(self.left_out) / len(self.left_out) if self.left_out else None

    @property
    def level(self) -> Level:
        """The better one whose least values both are reached."""
        for level, (agreement, decibels) in ((Level.GOOD, GOOD), (Level.NEARBY, NEARBY)):
            shown = self.decibels is None or self.decibels >= decibels
            if self.agreement >= agreement and shown:
                return level
        return Level.POOR

    def sentences(self, translate: Callable[[str], str] = str) -> list[str]:
        """What was measured, and what it means. translate: a sentence into the user's language."""
        percent = round(100 * self.agreement)
        if self.decibels is None:
            measured = translate(SENTENCES["agreement"]).format(percent)
        else:
            measured = translate(SENTENCES["both"]).format(percent, round(self.decibels))
        return [measured, translate(SENTENCES[self.level.value])]

    def record(self) -> dict[str, str]:
        """What is kept of it in a world's provenance."""
        kept = {AGREEMENT: f"{self.agreement:.3f}"}
        if self.left_out:
            kept[LEFT_OUT] = " ".join(f"{value:.1f}" for value in self.left_out)
        return kept


def recorded(provenance: Mapping[str, str]) -> Trust | None:
    """The inverse of `Trust.record`; None where there is nothing of it that makes sense."""
    try:
        agreement = float(provenance[AGREEMENT])
        left_out = tuple(float(word) for word in provenance.get(LEFT_OUT, "").split()[:16])
    except MALFORMED:
        return None
    if not 0 <= agreement <= 1 or not all(map(math.isfinite, left_out)):
        return None
    return Trust(agreement, left_out)
