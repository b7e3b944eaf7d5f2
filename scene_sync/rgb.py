# SPDX-License-Identifier: GPL-3.0-or-later
"""Three numbers of a colour or a power, out of Blender's and numpy's sequences."""

from __future__ import annotations

from collections.abc import Iterable


def rgb_of(values: Iterable[float]) -> tuple[float, float, float]:
    """The three numbers of a linear colour or of watts. Raises ValueError when there are more."""
    red, green, blue = values
    return float(red), float(green), float(blue)
