# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that ask for a file or a folder before they work."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty

from ..backend.shared.errors import InputError

OVERWRITE = BoolProperty(
    name="Replace",
    description="Write over what is there already; other files stay",
    options={"SKIP_SAVE"},
)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raises InputError when a file is at `path` and may not be replaced."""
    if path.exists() and not overwrite:
        raise InputError(
            f"'{path}' exists already; choose Replace to write over it, or another name."
        )


class ChoosesFile:
    """Named first among an operator's bases; the choice arrives in `filepath` or `directory`."""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open the file browser; `execute` follows when something was chosen."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}
