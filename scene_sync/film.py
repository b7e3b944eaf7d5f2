# SPDX-License-Identifier: GPL-3.0-or-later
"""How a scene's render settings turn light into pixels."""

from __future__ import annotations

import bpy

from ..backend.shared.scene import Film


def read_film(scene: bpy.types.Scene) -> Film:
    """The film of a scene; Cycles' defaults where Cycles is not there."""
    cycles = getattr(scene, "cycles", None)
    transparent = scene.render.film_transparent
    if cycles is None:
        return Film(transparent=transparent)
    return Film(
        cycles.pixel_filter_type,
        cycles.filter_width,
        transparent,
        transparent and cycles.film_transparent_glass,
        cycles.film_exposure,
        cycles.sample_clamp_direct,
        cycles.sample_clamp_indirect,
    )
