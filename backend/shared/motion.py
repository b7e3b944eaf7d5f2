# SPDX-License-Identifier: GPL-3.0-or-later
"""What moves by itself while a shutter is open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import InputError


@dataclass(frozen=True, eq=False)
class Pose:
    """How an instance stands at another time than its scene's.

    matrix: (4, 4) float64, as `Instance.matrix`. vertices: (V, 3) float32 of its mesh, where it is
    bent otherwise, else None.
    """

    matrix: np.ndarray
    vertices: np.ndarray | None = None

    def __post_init__(self) -> None:
        bent = self.vertices
        if (
            self.matrix.shape != (4, 4)
            or not np.isfinite(self.matrix).all()
            or (bent is not None and (bent.ndim != 2 or bent.shape[1] != 3))
            or (bent is not None and not np.isfinite(bent).all())
        ):
            raise InputError("The place of a thing that moves is malformed; render again.")


@dataclass(frozen=True, eq=False)
class Move:
    """An instance, by its key, when the shutter opens and when it closes."""

    key: str
    opened: Pose
    closed: Pose
