# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a world's own model lies; both sides look there."""

from __future__ import annotations

import os
from pathlib import Path

ADAPTED = "adapted"
"""Folder in a world's folder: a complete model."""
REPORT = "adapted.json"
_WHOLE = ("config.json", "model.safetensors", REPORT)


def adapted_model(world: Path) -> Path | None:
    """Folder of the model that was adapted to the world in `world`; None where there is none."""
    folder = world / ADAPTED
    # unlike `Path.is_file`, this takes a name that is too long for the system, too
    return folder if all(os.path.isfile(folder / name) for name in _WHOLE) else None
