# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of text in a viewport's corner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blf
import bpy

from . import runtime
from .backend.client import BackendState
from .viewport_paint import Shown

if TYPE_CHECKING:
    from .viewport import View

_SIZE = 11
_MARGIN = 12
"""Points and pixels at a resolution scale of one, as Blender's own text in viewports."""


def say(engine: bpy.types.RenderEngine, context: bpy.types.Context, text: str) -> None:
    """Show a line in the viewport that is being drawn.

    In quad view newer Blenders show an engine's line in the first quarter only; the others get it
    here. (4.3 shows it in each, 5.2 does not; twice is better than never in those between.)
    """
    engine.update_stats("", text)
    overlay = context.space_data.overlay
    if text and overlay.show_overlays and overlay.show_text and _later_quarter(context):
        _write(text, context.region.width, context.preferences.system.ui_scale)


def _later_quarter(context: bpy.types.Context) -> bool:
    """Whether this is one of four views, and one that Blender writes no line into."""
    mine = context.region
    if mine.alignment != "QUAD_SPLIT" or bpy.app.version < (4, 4, 0):
        return False
    quarters = [r for r in context.area.regions if r.type == "WINDOW"]
    first = min(quarters, key=lambda region: (region.x, -region.y))
    return mine != first


def _write(text: str, width: int, scale: float) -> None:
    """At the bottom left of the region, on as many lines as it takes."""
    margin = _MARGIN * scale
    blf.size(0, _SIZE * scale)
    one_line = blf.dimensions(0, "WorldFM")[1]
    blf.word_wrap(0, max(1, int(width - 2 * margin)))
    blf.shadow(0, 3, 0.0, 0.0, 0.0, 0.8)
    for option in (blf.WORD_WRAP, blf.SHADOW):
        blf.enable(0, option)
    below = blf.dimensions(0, text)[1] - one_line
    blf.position(0, margin, margin + max(below, 0.0), 0)
    blf.color(0, 1.0, 1.0, 1.0, 1.0)
    blf.draw(0, text)
    for option in (blf.WORD_WRAP, blf.SHADOW):
        blf.disable(0, option)


def statistics(view: View, frame: Shown | None) -> str:
    """What is on screen and what it cost, or what is still missing."""
    client = runtime.client()
    error = client.preview_error(view.key)
    problem = view.build_problem or view.problem or (str(error) if error else "")
    if problem:
        return problem
    if view.world is None:
        return "WorldFM | Reading the scene"
    if client.state is not BackendState.READY:
        return f"WorldFM | {client.status_text}"
    if frame is None:
        return "WorldFM | Waiting for the first frame"
    reply, camera = frame.reply, frame.reply.request.camera
    rate = len(view.arrivals) / 2.0
    stages = ", ".join(f"{name} {ms:.0f} ms" for name, ms in reply.timings.items() if ms >= 0.5)
    return (
        f"WorldFM | {camera.width} x {camera.height} | {rate:.1f} frames/s | "
        f"latency {1000 * view.latency:.0f} ms | coverage {100 * frame.coverage:.0f} % | {stages}"
    )
