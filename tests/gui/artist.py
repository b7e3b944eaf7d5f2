# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: where things are on an artist's screen, for the scenarios."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
from mathutils import Vector

ADDON = "bl_ext.user_default.worldfm"
Steps = Iterator[float]
F12 = "96"  # the key code: by name xdotool adds Alt


def viewport() -> tuple[bpy.types.Area, bpy.types.Region, bpy.types.SpaceView3D]:
    """The 3D viewport of the main window."""
    screen = bpy.context.window_manager.windows[0].screen
    area = max((a for a in screen.areas if a.type == "VIEW_3D"), key=lambda a: a.width)
    region = next(r for r in area.regions if r.type == "WINDOW")
    return area, region, area.spaces.active


def clear_view(space: bpy.types.SpaceView3D) -> None:
    """No grid, cursor or gizmos; the statistics line stays."""
    space.show_gizmo = False
    for name in ("floor", "axis_x", "axis_y", "cursor", "extras", "outline_selected"):
        setattr(space.overlay, f"show_{name}", False)


def leave_camera(space: bpy.types.SpaceView3D, distance: float) -> None:
    """A free view from the camera, turning around a point `distance` in front of it."""
    camera = bpy.context.scene.camera.matrix_world
    view = space.region_3d
    view.view_perspective = "PERSP"
    view.view_rotation = camera.to_quaternion()
    view.view_distance = distance
    view.view_location = camera.translation + camera.to_quaternion() @ Vector((0, 0, -distance))


def working() -> list[str]:
    """Names of the operators that listen to the user."""
    return [op.bl_idname for op in bpy.context.window_manager.windows[0].modal_operators]


def client():
    """The extension's backend client."""
    return sys.modules[f"{ADDON}.runtime"].client()


def backend_processes(word: str = "serve") -> list[int]:
    """Process ids of the backends that this Blender started with `word` in their command."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        if parent == os.getpid() and word.encode() in words:
            found.append(int(folder.name))
    return found


def ready(ui, seconds: float = 120) -> Steps:
    """Wait for the backend; a failure is told at once, in the product's own words."""

    def state() -> bool:
        if client().state.value == "failed":
            raise RuntimeError(client().status_text)
        return client().state.value == "ready"

    yield from ui.until(state, seconds, "the backend becoming ready")


def properties(context: str) -> None:
    """Show one tab of the Properties editor."""
    screen = bpy.context.window_manager.windows[0].screen
    area = next(a for a in screen.areas if a.type == "PROPERTIES")
    area.spaces.active.context = context


def sidebar(ui) -> Steps:
    """Open the viewport's sidebar and click down its tabs to the extension's."""
    area, _, space = viewport()
    space.show_region_ui = True
    region = next(r for r in area.regions if r.type == "UI")
    yield from ui.until(lambda: region.width > 100, 30, "the sidebar opening")
    yield 1.0  # it slides in
    window = bpy.context.window_manager.windows[0]
    x = str(region.x + region.width - 12)
    for down in range(20, region.height - 20, 20):
        y = str(window.height - region.y - region.height + down)
        yield from ui.tool("xdotool", "mousemove", x, y, "click", "1")
        yield from ui.turns()
        if region.active_panel_category == "WorldFM":
            return
    raise RuntimeError("The sidebar has no tab named WorldFM")


def finished(ui, counts: dict[str, int], seconds: float, what: str) -> Steps:
    """Wait for a render counted by `counts` to complete; RuntimeError when it fails instead."""
    yield from ui.until(lambda: counts["complete"] or counts["cancel"], seconds, what)
    if not counts["complete"]:
        raise RuntimeError(f"{what} did not happen: the render failed. {client().status_text}")


def show_preferences() -> Steps:
    """The extension's preferences, unfolded, in a window of their own."""
    bpy.ops.screen.userpref_show("INVOKE_DEFAULT", section="ADDONS")
    bpy.context.window_manager.addon_search = "WorldFM"
    bpy.ops.preferences.addon_expand(module=ADDON)
    bpy.context.preferences.active_section = "ADDONS"
    yield 2.0


def disable() -> None:
    """Take the extension out, as Blender does when its user quits."""
    if ADDON in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_disable(module=ADDON)


def rendered() -> dict[str, int]:
    """Counts renders from now on: how many completed, were cancelled, wrote a file."""
    counts = {"complete": 0, "cancel": 0, "write": 0}

    def count(kind: str):
        def handler(*_: object) -> None:
            counts[kind] += 1

        return handler

    for kind in counts:
        getattr(bpy.app.handlers, f"render_{kind}").append(count(kind))
    return counts
