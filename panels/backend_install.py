# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's installation as rows of the preferences."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import installation, runtime
from ..backend.client import InstallState
from .wrapped import draw_text

_TITLES = {
    InstallState.ABSENT: ("The backend is not installed", "IMPORT"),
    InstallState.INTERRUPTED: ("An installation was interrupted; Install finishes it", "ERROR"),
    InstallState.OUTDATED: ("Made for another version; Install brings it up to date", "ERROR"),
    InstallState.READY: ("Installed", "CHECKMARK"),
    "own": ("A Python of your own is used", "CHECKMARK"),
    "astray": ("There is no Python at the place named below", "ERROR"),
}


def draw_installation(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """State, buttons, progress, outcome."""
    column = layout.column()
    task = installation.task()
    if task is not None:
        row = column.row()
        factor = task.fraction if task.fraction is not None else 0.0
        row.progress(factor=factor, text=task.text, type="BAR")
        row.operator("worldfm.install_cancel", text="", icon="CANCEL")
        return
    state = installation.state()
    named = runtime.preferences().python
    own = "own" if Path(named).is_file() else "astray"
    title, icon = _TITLES[own if named else state]
    column.label(text=title, icon=icon)
    row = column.row(align=True)
    row.operator("worldfm.install_estimate")
    ready = state is InstallState.READY
    row.operator("worldfm.install", text="Re-install" if ready else "Install", icon="IMPORT")
    if state in {InstallState.READY, InstallState.OUTDATED}:
        row.operator("worldfm.install_verify")
        row.operator("worldfm.install_repair")
    if state is not InstallState.ABSENT:
        row.operator("worldfm.install_remove", icon="TRASH")
    if not bpy.app.online_access:
        draw_text(
            column, context, "Downloads need Online Access (Preferences > System)", "INTERNET"
        )
    if installation.outcome:
        draw_text(column, context, installation.outcome, "INFO")
