# SPDX-License-Identifier: GPL-3.0-or-later
"""How loops over points are compiled: without Python's lock, and kept on disk.

Division by zero gives an infinity, as in numpy: looking for it would keep a compiler from doing
several numbers at once.
"""

from __future__ import annotations

from numba import njit

_OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy"}

kernel = njit(**_OPTIONS)
inlined = njit(inline="always", **_OPTIONS)
"""For scalar functions that kernels call for every point."""
loose = njit(fastmath=True, **_OPTIONS)
"""Sums may be taken in any order; no number is infinite or none."""
loose_inlined = njit(fastmath=True, inline="always", **_OPTIONS)
