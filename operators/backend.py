# SPDX-License-Identifier: GPL-3.0-or-later
"""The background process: start, stop, restart, its log."""

from __future__ import annotations

import bpy

from .. import runtime
from ..backend.client.process import read_log
from .reports import reports_errors

LOG_TEXT = "WorldFM Log"


class WORLDFM_OT_backend_start(bpy.types.Operator):
    """Start the background process that makes the frames"""

    bl_idname = "worldfm.backend_start"
    bl_label = "Start Backend"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Returns at once; the panels show how it goes."""
        runtime.running_client(context.scene)
        return {"FINISHED"}


class WORLDFM_OT_backend_stop(bpy.types.Operator):
    """End the background process; it starts again when a frame is asked for"""

    bl_idname = "worldfm.backend_stop"
    bl_label = "Stop Backend"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Frames that are under way are dropped."""
        runtime.client().stop()
        return {"FINISHED"}


class WORLDFM_OT_backend_restart(bpy.types.Operator):
    """End the background process and start a new one"""

    bl_idname = "worldfm.backend_restart"
    bl_label = "Restart Backend"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The way out when the model or a driver misbehaves."""
        runtime.client().stop()
        return bpy.ops.worldfm.backend_start()


class WORLDFM_OT_show_log(bpy.types.Operator):
    """Put the end of the backend's log into a text named WorldFM Log"""

    bl_idname = "worldfm.show_log"
    bl_label = "Show Log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Shown in the text editor that is open, else in a window of its own."""
        client = runtime.client()
        text = bpy.data.texts.get(LOG_TEXT) or bpy.data.texts.new(LOG_TEXT)
        text.clear()
        text.write(f"{client.status_text}\n{client.log_path or 'No backend was started yet.'}\n\n")
        text.write(client.log_tail(400))
        text.write(failed_installation())
        area = _text_editor(context)
        if area is not None:
            area.spaces.active.text = text
            area.spaces.active.top = max(0, len(text.lines) - 20)
        self.report({"INFO"}, f"The log is in the text '{LOG_TEXT}'.")
        return {"FINISHED"}


def _text_editor(context: bpy.types.Context) -> bpy.types.Area | None:
    """A text editor on screen; None without windows."""
    windows = context.window_manager.windows
    for window in windows:
        for area in window.screen.areas:
            if area.type == "TEXT_EDITOR":
                return area
    if bpy.app.background or context.window is None:
        return None
    bpy.ops.wm.window_new()
    area = windows[-1].screen.areas[0]
    area.type = "TEXT_EDITOR"
    return area


class WORLDFM_OT_copy_report(bpy.types.Operator):
    """Copy versions, devices, settings and the end of the log to the clipboard"""

    bl_idname = "worldfm.copy_report"
    bl_label = "Copy Report"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """What a bug report needs; no paths of the user's files beyond the log's own."""
        context.window_manager.clipboard = report_text(context.scene)
        self.report({"INFO"}, "The report is in the clipboard.")
        return {"FINISHED"}


def failed_installation() -> str:
    """What the installer said when it failed last; "" when it never did."""
    said = read_log(runtime.data_folder() / "logs" / "install.log")
    return f"\n\nThe last installation that failed:\n{said}" if said else ""


def report_text(scene: bpy.types.Scene) -> str:
    """Versions, devices, settings and the last lines of the log."""
    client = runtime.client()
    settings = scene.worldfm
    lines = [
        f"Blender {bpy.app.version_string} on {bpy.app.build_platform.decode()}",
        f"Backend: {client.state.value}: {client.status_text} (restarts: {client.restarts})",
        f"Model: {client.model_name or settings.model} {client.model_hash}",
        *(f"Device: {d.id}: {d.name} ({', '.join(d.modes)})" for d in client.devices),
        f"Steps {settings.steps}, references {settings.references}, points "
        f"{settings.point_budget}, memory frames {len(settings.memory)}",
        "",
        client.log_tail(60),
        failed_installation(),
    ]
    return "\n".join(lines)


CLASSES = (
    WORLDFM_OT_backend_start,
    WORLDFM_OT_backend_stop,
    WORLDFM_OT_backend_restart,
    WORLDFM_OT_show_log,
    WORLDFM_OT_copy_report,
)
