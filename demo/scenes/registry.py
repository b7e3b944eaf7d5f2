# SPDX-License-Identifier: GPL-3.0-or-later
"""All scenes by name; needs bpy."""

from __future__ import annotations

from collections.abc import Callable

from . import changing, indoors, outdoors, tabletop, validation, walk
from .stage import Stage

SCENES: dict[str, Callable[[], Stage]] = {
    "cube": tabletop.cube,
    "still_life": tabletop.still_life,
    "still_life_aside": tabletop.still_life_aside,
    "room": indoors.room,
    "movers": changing.movers,
    "edited": changing.edited,
    "glass": tabletop.glass,
    "cut_away": indoors.cut_away,
    "film": changing.film,
    "strong_sun": outdoors.strong_sun,
    "hair": tabletop.hair,
    "exterior": outdoors.exterior,
    "street": outdoors.street,
    "corridor": indoors.corridor,
    "canyon": outdoors.canyon,
    "old_style": tabletop.old_style,
    "isometric": indoors.isometric,
    "procedural": tabletop.procedural,
    "forest": outdoors.forest,
    "points": tabletop.cloud_of_points,
}
"""The artist scenes."""

VALIDATION: dict[str, Callable[[], Stage]] = validation.BUILDERS | {"demo": walk.demo}
"""The demo, and rooms of `worldfm data validation`, which lit anchors were measured on first."""
