# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's state as rows of a layout; used by the preferences and the sidebar."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import runtime
from ..backend.client import BackendState
from ..next_step import can_start
from .wrapped import columns, draw_text

_FEW = 25
"""Characters a line from which words fit on buttons side by side in any language."""

_ICONS = {
    BackendState.STOPPED: "RADIOBUT_OFF",
    BackendState.STARTING: "SORTTIME",
    BackendState.READY: "CHECKMARK",
    BackendState.RESTARTING: "FILE_REFRESH",
    BackendState.FAILED: "ERROR",
}


def draw_backend(
    layout: bpy.types.UILayout, context: bpy.types.Context, narrow: bool = False
) -> None:
    """State, progress and what can be done about it. narrow: icons where words don't fit."""
    client = runtime.client()
    column = layout.column(align=True)
    ready = client.state is BackendState.READY
    text = iface_("Ready: {}.").format(client.model_name) if ready else client.status_text
    draw_text(column, context, text, _ICONS[client.state])
    if client.progress is not None:
        column.progress(factor=client.progress, type="BAR")
    if client.notice:
        draw_text(column, context, client.notice, "INFO")
    row = layout.row(align=True)
    if client.state in {BackendState.STOPPED, BackendState.FAILED}:
        if can_start():  # else it could only fail
            row.operator("worldfm.backend_start", text="Start", icon="PLAY")
    else:
        slim = narrow and columns(context.region.width, context.preferences.system.ui_scale) < _FEW
        row.operator("worldfm.backend_restart", text="" if slim else "Restart", icon="FILE_REFRESH")
        row.operator("worldfm.backend_stop", text="" if slim else "Stop", icon="PAUSE")
    words = {"text": ""} if narrow else {}
    row.operator("worldfm.show_log", icon="TEXT", **words)
    row.operator("worldfm.copy_report", icon="COPYDOWN", **words)


def draw_devices(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What the backend found by trying; nothing before it ran."""
    for device in runtime.client().devices:
        free, total = device.memory_free / 1e9, device.memory_total / 1e9
        modes = ", ".join(device.modes)
        text = f"{device.id}: {device.name}, {free:.1f} of {total:.1f} GB free at start ({modes})"
        draw_text(layout, context, text, "DOT")
