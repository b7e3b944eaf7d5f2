# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the depth of a world of pictures can be trusted, as it was measured when they came in:
`Trust` where several show the same, `Guess` where an estimator told it from one picture.

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
ERROR, REACH, MATCH = "depth_error", "depth_reach", "camera_match"
"""Keys in the provenance of a world of one picture."""
GUESS_GOOD, GUESS_NEARBY = 0.12, 0.3
"""Greatest error of guessed depth that is called good, and usable nearby."""
FEW_LINES = 0.35
"""Confidence of a camera match from which on the picture's lines are said to agree."""

SENTENCES = {
    "agreement": "Depth agrees in {} % of what the pictures saw.",
    "both": "Depth agrees in {} % of what the pictures saw (good from 60 on); views left out came "
    "back at {} dB (good from 20 on).",
    "good": "Good near the pictures: the camera may step and turn between their places; beyond, "
    "edges fray and what no picture saw is made up.",
    "usable nearby": "Usable nearby: stay near the places of the pictures; blank walls may be off.",
    "poor": "Poor: expect wrong shapes away from the pictures; take more of them, closer together.",
    "guessed": "Depth was guessed from one picture: shapes are off by about {} %, which shows from "
    "about {} m aside on.",
    "lines agree": "The picture's lines agree on its camera.",
    "few lines": "Few of the picture's lines agree on its camera; look at it with Adjust Match.",
    "no lines": "The picture's lines say nothing of its camera, which was assumed; use Adjust "
    "Match.",
    "guess good": "Good: the camera may step aside and turn.",
    "guess usable nearby": "Usable nearby: keep to small steps aside; farther away shapes bend.",
    "guess poor": "Poor: expect wrong shapes as soon as the camera steps aside; several photos of "
    "the place show more (New World from Photos).",
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
        """What was measured, then what it means. translate: into the user's language."""
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


@dataclass(frozen=True)
class Guess:
    """error: logarithm of distance that depth is likely off by, in the mean, > 0. reach: metres
    aside from which on that shows. match: confidence [0, 1] of the camera, None where it is known.
    """

    error: float
    reach: float
    match: float | None = None

    @property
    def level(self) -> Level:
        """By the error; never good where the camera was assumed."""
        if self.error <= GUESS_GOOD and self.match != 0:
            return Level.GOOD
        return Level.NEARBY if self.error <= GUESS_NEARBY else Level.POOR

    def sentences(self, translate: Callable[[str], str] = str) -> list[str]:
        """What was measured, then what it means. translate: into the user's language."""
        percent = round(100 * math.expm1(self.error))
        said = [translate(SENTENCES["guessed"]).format(percent, _few_digits(self.reach))]
        if self.match is not None:
            lines = "lines agree" if self.match >= FEW_LINES else "few lines"
            said.append(translate(SENTENCES[lines if self.match > 0 else "no lines"]))
        return [*said, translate(SENTENCES[f"guess {self.level.value}"])]

    def record(self) -> dict[str, str]:
        """What is kept of it in a world's provenance."""
        kept = {ERROR: f"{self.error:.3f}", REACH: _few_digits(self.reach)}
        if self.match is not None:
            kept[MATCH] = f"{self.match:.2f}"
        return kept


def _few_digits(metres: float) -> str:
    return f"{metres:.2g}" if metres < 10 else f"{metres:.0f}"


def recorded(provenance: Mapping[str, str]) -> Trust | Guess | None:
    """The inverse of `record`; None where there is nothing of it that makes sense."""
    if AGREEMENT not in provenance:
        return _recorded_guess(provenance)
    try:
        agreement = float(provenance[AGREEMENT])
        left_out = tuple(float(word) for word in provenance.get(LEFT_OUT, "").split()[:16])
    except MALFORMED:
        return None
    if not 0 <= agreement <= 1 or not all(map(math.isfinite, left_out)):
        return None
    return Trust(agreement, left_out)


def _recorded_guess(provenance: Mapping[str, str]) -> Guess | None:
    try:
        error, reach = float(provenance[ERROR]), float(provenance[REACH])
        match = float(provenance[MATCH]) if MATCH in provenance else None
    except MALFORMED:
        return None
    if not (0 < error < 10 and 0 < reach < math.inf and (match is None or 0 <= match <= 1)):
        return None
    return Guess(error, reach, match)
