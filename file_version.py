# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of WorldFM's settings a .blend was saved with, and what is said of newer ones."""

from __future__ import annotations

import bpy

FORMAT = 2
"""Rises when an older add-on would misread what a newer one saved."""


def stamp() -> None:
    """Write the version into every scene; a newer one stays, for what it means is still there."""
    for scene in bpy.data.scenes:
        scene.worldfm.format = max(scene.worldfm.format, FORMAT)


def warning(scene: bpy.types.Scene) -> str:
    """One sentence when a newer WorldFM saved this scene, else ""."""
    if scene.worldfm.format <= FORMAT:
        return ""
    return (
        f"A newer WorldFM saved this file (format {scene.worldfm.format}, this one reads up to "
        f"{FORMAT}); update the extension, or frames may differ."
    )
