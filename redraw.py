# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what shows the backend's state again when that state has changed, and only then.

Blender redraws an editor when the user touches it; a process that becomes ready is no such event.
"""

from __future__ import annotations

import bpy

from . import runtime
from .next_step import can_start

_POLL_SECONDS = 0.25
_SHOWING = {"PREFERENCES": {"WINDOW"}, "PROPERTIES": {"WINDOW"}, "VIEW_3D": {"UI", "HEADER"}}
"""Type of editor, and the regions of it that have our rows."""

_seen: tuple[object, ...] = ()


def changed() -> bool:
    """Whether the panels would say something else than at the last call."""
    global _seen
    client = runtime.client()
    now = (
        client.state,
        client.status_text,
        client.progress,
        client.notice,
        client.devices,
        client.model_name,
        can_start(),
        runtime.unshown(),
        runtime.unbaked(),
    )
    before, _seen = _seen, now
    return now != before


def redraw() -> None:
    """Have every region that shows the backend or its installation drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if region.type in _SHOWING.get(area.type, ()):
                    region.tag_redraw()


def _tick() -> float:
    if changed():
        redraw()
    return _POLL_SECONDS


def attach() -> None:
    """Start looking; without a window there is nothing to draw."""
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=_POLL_SECONDS, persistent=True)


def detach() -> None:
    """Stop."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
