# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that ask for a file or a folder before they work."""

from __future__ import annotations

import bpy


class ChoosesFile:
    """Named first among an operator's bases; the choice arrives in `filepath` or `directory`."""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open the file browser; `execute` follows when something was chosen."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}
