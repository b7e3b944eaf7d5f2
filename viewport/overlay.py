# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the line of text in a viewport's corner."""

from __future__ import annotations

from typing import NamedTuple

import blf
import bpy

_SIZE = 11
_MARGIN = 12
"""Points and pixels at a resolution scale of one, as Blender's own text in viewports."""
_OUTLINE = 6
"""Kind of shadow that is readable over bright pictures too."""


def show_status(engine: bpy.types.RenderEngine, context: bpy.types.Context, text: str) -> None:
    """Show a line in the viewport that is being drawn.

    Blender cuts an engine's line off where the viewport ends, and in quad view newer ones show it
    in the first quarter only: it is written here then. (4.3 shows it in each quarter, 5.2 does
    not; twice is better than never in those between.)
    """
    overlay = context.space_data.overlay
    shown = bool(text) and overlay.show_overlays and overlay.show_text
    scale = context.preferences.system.ui_scale
    free = _free(context, scale) if shown else None
    long = free is not None and _width(text, scale) > free.width
    engine.update_stats("", "" if long else text)
    if free is not None and (long or _later_quarter(context)):
        _write(text, free, scale)


class _Free(NamedTuple):
    """What nothing lies over, in pixels of the region, from its bottom left."""

    left: float
    bottom: float
    width: float


def _free(context: bpy.types.Context, scale: float) -> _Free:
    """Between the toolbar and the sidebar, above the last operator's panel."""
    mine, margin = context.region, _MARGIN * scale
    left, bottom, right = margin, margin, mine.width - margin
    for other in context.area.regions:
        x, y = other.x - mine.x, other.y - mine.y
        beside = x >= mine.width or x + other.width <= 0
        if beside or y >= mine.height or y + other.height <= 0 or other.width <= 1:
            continue
        if other.type == "TOOLS":
            left = x + other.width + margin
        elif other.type == "UI":
            right = x - margin
        elif other.type == "HUD":
            bottom = y + other.height + margin
    return _Free(left, bottom, max(right - left, 1.0))


def _width(text: str, scale: float) -> float:
    blf.size(0, _SIZE * scale)
    return blf.dimensions(0, text)[0]


def _later_quarter(context: bpy.types.Context) -> bool:
    """Whether this is one of four views, and one that Blender writes no line into."""
    mine = context.region
    if mine.alignment != "QUAD_SPLIT" or bpy.app.version < (4, 4, 0):
        return False
    quarters = [r for r in context.area.regions if r.type == "WINDOW"]
    first = min(quarters, key=lambda region: (region.x, -region.y))
    return mine != first


def _write(text: str, free: _Free, scale: float) -> None:
    """At the bottom left of what is free, on as many lines as it takes."""
    blf.size(0, _SIZE * scale)
    one_line = blf.dimensions(0, "WorldFM")[1]
    blf.word_wrap(0, int(free.width))
    blf.shadow(0, _OUTLINE, 0.0, 0.0, 0.0, 0.8)
    for option in (blf.WORD_WRAP, blf.SHADOW):
        blf.enable(0, option)
    below = blf.dimensions(0, text)[1] - one_line
    blf.position(0, free.left, free.bottom + max(below, 0.0), 0)
    blf.color(0, 1.0, 1.0, 1.0, 1.0)
    blf.draw(0, text)
    for option in (blf.WORD_WRAP, blf.SHADOW):
        blf.disable(0, option)
