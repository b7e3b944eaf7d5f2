# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's later panels: an earlier render recalled, a camera through stored viewpoints; a
report and the log."""

import sys

import artist
import bpy
import numpy as np
from watch import Watch


def play(ui):
    scene = bpy.context.scene
    unfold()
    yield from artist.sidebar(ui)
    yield from recalled(ui, scene)
    yield from viewpoints(ui, scene)
    yield from reported(ui)


def unfold():
    """Camera Path and History open, other panels closed, as a user may have them."""
    opened = {"Camera Path", "History"}
    for panel in sys.modules[f"{artist.ADDON}.panels"].CLASSES:
        if getattr(panel, "bl_category", "") == "WorldFM":
            bpy.utils.unregister_class(panel)
            panel.bl_options = set() if panel.bl_label in opened else {"DEFAULT_CLOSED"}
            bpy.utils.register_class(panel)


def here():
    area, region, _ = artist.viewport()
    window = bpy.context.window_manager.windows[0]
    return bpy.context.temp_override(window=window, area=area, region=region)


def rendered(scene, frame, seed, steps):
    scene.frame_set(frame)
    scene.worldfm.seed, scene.worldfm.steps = seed, steps
    bpy.ops.render.render()
    return sys.modules[f"{artist.ADDON}.runtime"].latest_frame().rgb


def recalled(ui, scene):
    settings = scene.worldfm
    first = rendered(scene, 5, 3, 1)
    rendered(scene, 20, 8, 2)
    yield from ui.until(lambda: len(settings.history) == 2, 30, "both renders in the history")
    settings.history_index = 1
    yield from ui.picture("sidebar-history")
    with here():
        bpy.ops.worldfm.recall_settings("INVOKE_DEFAULT")
    ui.result["recalled"] = [scene.frame_current, settings.seed, settings.steps]
    again = rendered(scene, scene.frame_current, settings.seed, settings.steps)
    yield from ui.until(lambda: len(settings.history) == 3, 30, "the third render in the history")
    ui.result["chosen"] = settings.history[settings.history_index].name
    ui.result["same picture"] = bool((again == first).all())


def viewpoints(ui, scene):
    _, region, space = artist.viewport()
    artist.clear_view(space)
    watch = Watch()
    space.shading.type = "RENDERED"
    artist.leave_camera(space, distance=3.0)
    yield from ui.until(watch.settled, 120, "a free view")
    stored = []
    for start, end in (((0.5, 0.5), (0.42, 0.5)), ((0.42, 0.5), (0.36, 0.55)), (None, None)):
        with here():
            bpy.ops.worldfm.viewpoint_store("INVOKE_DEFAULT")
        stored.append(space.region_3d.view_matrix.inverted())
        if start is not None:
            yield from ui.drag(region, start, end)
    with here():
        bpy.ops.worldfm.path_viewpoints("INVOKE_DEFAULT", speed=0.5, set_range=True, activate=True)
    off = []
    for frame, view in ((scene.frame_start, stored[0]), (scene.frame_end, stored[-1])):
        scene.frame_set(frame)
        off.append(float(np.abs(np.array(scene.camera.matrix_world) - np.array(view)).max()))
    ui.result["off the viewpoints"] = off
    ui.result["between them"] = float((stored[0].translation - stored[-1].translation).length)
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)
    space.region_3d.view_perspective = "CAMERA"
    yield from ui.turns()
    yield from ui.until(watch.settled, 120, "the view through the new camera")
    yield from ui.picture("sidebar-viewpoints")


def reported(ui):
    yield from artist.show_preferences()
    bpy.ops.worldfm.copy_report("INVOKE_DEFAULT")
    ui.result["report"] = bpy.context.window_manager.clipboard
    bpy.ops.worldfm.show_log("INVOKE_DEFAULT")
    yield 1.0
    yield from ui.picture("log")
    ui.result["log text"] = bpy.data.texts["WorldFM Log"].as_string()
