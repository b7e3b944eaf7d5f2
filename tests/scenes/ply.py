# SPDX-License-Identifier: GPL-3.0-or-later
"""Point clouds read back where they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.shared.anchors import Anchors
from backend.world.importers.ply import read_ply


def points_of(path: Path, up: str | None = None, scale: float = 1.0) -> Anchors:
    """The points of a PLY file in its own coordinates, see `read_ply`."""
    anchors, origin = read_ply(path, up, scale, np.zeros(3))
    assert not origin.any()
    return anchors
