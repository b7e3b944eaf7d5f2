# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounced light of one scene that stands in for another's while that is being gathered."""

from __future__ import annotations

import copy

import numpy as np

from ..anchors.surface import Matter
from ..anchors.tracing import Rays
from .cache import Bounced, Cells
from .sky import Sky


def carried(before: Bounced, matter: Matter, rays: Rays, sky: Sky, sampled: np.ndarray) -> Bounced:
    """What `before` knows of its scene as bounced light of another that is much like it.

    rays, sampled: as for `Bounced`. It is the same from every camera and smooth, so that what
    stays where it was looks as it did.
    """
    made = copy.copy(before)
    made.matter, made.sky, made.rays, made.sampled = matter, sky, rays, sampled
    made.cells = Cells(matter.geometry)
    made._known = np.full(len(made.cells), -1, np.int32)
    made._radiance = np.zeros((0, 3), np.float32)
    return made
