# SPDX-License-Identifier: GPL-3.0-or-later
"""What each of Blender's nodes computes; importing this registers them all."""

from . import color, coordinates, image, numbers, procedural, ramps, vectors

__all__ = ["color", "coordinates", "image", "numbers", "procedural", "ramps", "vectors"]
