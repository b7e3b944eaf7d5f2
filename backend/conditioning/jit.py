# SPDX-License-Identifier: GPL-3.0-or-later
"""How loops over points are compiled: without Python's lock, and kept on disk.

Division by zero gives an infinity, as in numpy: looking for it would keep a compiler from doing
several numbers at once.
"""

from __future__ import annotations

from numba import njit

kernel = njit(nogil=True, cache=True, error_model="numpy")
inlined = njit(nogil=True, cache=True, error_model="numpy", inline="always")
"""For scalar functions in loops that are to do several points at once: quicker there, but each
caller is compiled with them anew."""
loose = njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
"""Sums may be taken in any order; no number is infinite or none."""
