# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of a library of Sweet Home 3D (.sh3f): a zip of OBJ files and a catalogue.

Part of a program that a Python with bpy runs by path (`blender_furnished.py`).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

LARGEST, TALLEST = 3.5, 2.6
"""Metres up to which a model is furniture of a room."""


@dataclass(frozen=True)
class Model:
    """A piece of furniture. size: (3,) metres. top: height of what may stand on it, or None."""

    library: Path
    path: str
    size: tuple[float, float, float]
    above_floor: float
    top: float | None


def catalogue(library: Path) -> list[Model]:
    """The models of a library that can be placed by their sizes alone."""
    with zipfile.ZipFile(library) as archive:
        text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    fields: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        key, _, number = name.strip().partition("#")
        if number:
            fields.setdefault(number, {})[key] = value.strip()
    found = []
    for entry in fields.values():
        if "modelRotation" in entry or not entry.get("model", "").endswith(".obj"):
            continue
        wide, deep, high = (float(entry[key]) / 100 for key in ("width", "depth", "height"))
        size = (wide, deep, high)
        if max(size) <= LARGEST and size[2] <= TALLEST and entry.get("doorOrWindow") != "true":
            top = entry.get("dropOnTopElevation")
            found.append(
                Model(
                    library,
                    entry["model"].lstrip("/"),
                    size,
                    float(entry.get("elevation", 0)) / 100,
                    float(top) / 100 if top and float(top) > 0 else None,
                )
            )
    return found
