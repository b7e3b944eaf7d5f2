# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences as labels: Blender cuts a label off where its panel ends."""

from __future__ import annotations

import re
import unicodedata

import bpy
from bpy.app.translations import pgettext_iface as iface_

_CHARACTER = 5.7
"""Pixels a character of the widest of our sentences takes in Blender's interface font (11 px)."""

_MARGIN = 64
"""Pixels of a panel's borders, its scroll bar and an icon."""
_TABS = 20
"""Pixels of a sidebar's tabs."""
_NOT_FIRST = "。、，；：！？）」』”》・…ーぁぃぅぇぉっゃゅょんァィゥェォッャュョン"
"""What a line does not begin with."""


def columns(region_width: float, scale: float) -> int:
    """Characters that fit into one line of a panel."""
    return max(16, int((region_width / scale - _MARGIN) / _CHARACTER))


def wrapped(text: str, places: int) -> list[str]:
    """A sentence in lines of so many places, of which Chinese and Japanese characters take two
    each and may stand at the end of a line; other words stay whole where they can."""
    lines, line, left = [], "", places
    for word in _words(text):
        if line and _places(word) > left and word[0] not in _NOT_FIRST:
            lines.append(line)
            line, left = "", places
        if not line:
            word = word.lstrip()
        while _places(word) > places:  # such as a path
            lines.append(word[:places])
            word = word[places:]
        line += word
        left -= _places(word)
    return [*lines, line] if line or not lines else lines


def _words(text: str) -> list[str]:
    """Words of letters, with the space before them, and wide characters one by one."""
    wide = "".join(c for c in set(text) if _is_wide(c))
    if not wide:
        return re.findall(r"\s*\S+", text)
    one = re.escape(wide)
    return re.findall(rf"\s*[{one}]|\s*[^\s{one}]+", text)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _places(text: str) -> int:
    return sum(2 if _is_wide(character) else 1 for character in text)


def draw_text(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE"
) -> None:
    """A sentence over as many lines as it needs, the icon before the first."""
    region, scale = context.region, context.preferences.system.ui_scale
    width = region.width if region else 300
    if region and region.type == "UI":
        width -= _TABS * scale
    lines = wrapped(iface_(text), columns(width, scale))
    column = layout.column(align=True)
    column.scale_y = 0.8 if len(lines) > 1 else 1.0
    for number, line in enumerate(lines):
        indent = "BLANK1" if icon != "NONE" else "NONE"
        column.label(text=line, icon=indent if number else icon, translate=False)
