# SPDX-License-Identifier: GPL-3.0-or-later
"""An adapted model beside its world: a whole model in the world's folder, and what it is worth."""

from __future__ import annotations

import json
from pathlib import Path

from ..models.frame_model import FrameModel
from ..models.load_frame_model import save_frame_model
from ..shared.adapted import ADAPTED, REPORT, adapted_model
from ..shared.errors import InputError
from ..shared.files import new_folder
from ..shared.leftovers import beside, remove
from .adapt import Adaptation


def check_place(world: Path, overwrite: bool) -> Path:
    """Where the world's adapted model goes. Raises InputError when something is there that may not
    be replaced."""
    place = world / ADAPTED
    if not place.exists():
        return place
    if adapted_model(world) is None:
        raise InputError(f"'{place}' is no adapted model; move it elsewhere first.")
    if not overwrite:
        raise InputError(
            f"'{place}' exists already; add --overwrite to replace it if the new one is better."
        )
    return place


def keep(model: FrameModel, found: Adaptation, base: str, place: Path) -> None:
    """Writes the model as a whole or not at all; one that is there is replaced."""
    old = beside(place)
    if place.exists():
        place.rename(old)
    try:
        with new_folder(place) as folder:
            save_frame_model(model, folder, {"adapted_from": base})
            report = json.dumps(found.report() | {"base": base}, indent=1)
            (folder / REPORT).write_text(report, encoding="utf-8")
    except BaseException:
        if old.exists():
            old.rename(place)
        raise
    remove(old)
