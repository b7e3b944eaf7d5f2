# SPDX-License-Identifier: GPL-3.0-or-later
"""A guessed depth bent until it agrees with the depth that is known."""

from __future__ import annotations

import numpy as np
import torch

from ..conditioning.unseen.fill import push_pull

LEAST_KNOWN = 8
"""Pixels with a known depth that it takes to correct a guess."""


def fit_depth(guess: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The known depth where there is some, elsewhere the guess brought into line with it.

    guess, known: (H, W) float32 z-depth, +inf = sky, 0 = unknown. The logarithm of known / guess is
    spread smoothly from where both have a surface over where only the guess has one, so that no
    step is left at the border of what is known. Known sky stays sky; where the guess says sky and
    nothing is known it stays sky too. With hardly anything known the guess is returned.
    """
    both = np.isfinite(known) & (known > 0) & np.isfinite(guess) & (guess > 0)
    fitted = guess.astype(np.float32)
    if both.sum() >= LEAST_KNOWN:
        ratio = np.log(np.where(both, known, 1.0) / np.where(both, guess, 1.0))
        middle, spread = np.median(ratio[both]), np.median(np.abs(ratio[both] - np.median(
            ratio[both])))  # fmt: skip
        # a few points that do not fit at all (a wrong match, a pane of glass) get no say
        trusted = both & (np.abs(ratio - middle) < 6 * spread + 0.2)
        weight = torch.from_numpy(trusted.astype(np.float32))[None]
        values = torch.from_numpy((ratio * trusted).astype(np.float32))[None]
        correction = push_pull(values, weight)[0][0].numpy()
        solid = np.isfinite(guess) & (guess > 0)
        fitted = np.where(solid, np.where(solid, guess, 1.0) * np.exp(correction), guess)
    return np.where(known > 0, known, fitted).astype(np.float32)
