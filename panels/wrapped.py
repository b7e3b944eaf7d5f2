# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences as labels: Blender cuts a label off where its panel ends."""

from __future__ import annotations

import textwrap
import unicodedata

import bpy
from bpy.app.translations import pgettext_iface as iface_

_CHARACTER = 5.7
"""Pixels a character of the widest of our sentences takes in Blender's interface font (11 px)."""

_MARGIN = 64
"""Pixels of a panel's borders, its scroll bar and an icon."""
_TABS = 20
"""Pixels of a sidebar's tabs."""


def columns(region_width: float, scale: float) -> int:
    """Characters that fit into one line of a panel."""
    return max(16, int((region_width / scale - _MARGIN) / _CHARACTER))


def draw_text(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE"
) -> None:
    """A sentence over as many lines as it needs, the icon before the first."""
    region, scale = context.region, context.preferences.system.ui_scale
    width = region.width if region else 300
    if region and region.type == "UI":
        width -= _TABS * scale
    text = iface_(text)
    # Chinese and Japanese characters take two places each
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    places = columns(width, scale) * len(text) // max(1, len(text) + wide)
    lines = textwrap.wrap(text, max(8, places)) or [""]
    column = layout.column(align=True)
    column.scale_y = 0.8 if len(lines) > 1 else 1.0
    for number, line in enumerate(lines):
        indent = "BLANK1" if icon != "NONE" else "NONE"
        column.label(text=line, icon=indent if number else icon, translate=False)
