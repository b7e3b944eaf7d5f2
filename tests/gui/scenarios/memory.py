# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture memory frames with every engine, save, open the file again."""

import sys

import artist
import bpy
import numpy as np


def look(item):
    """Mean and spread of a frame's colours."""
    colour = np.empty(len(item.colour.pixels), np.float32)
    item.colour.pixels.foreach_get(colour)
    colour = colour.reshape(-1, 4)[:, :3]
    return {"mean": float(colour.mean()), "spread": float(colour.std())}


def play(ui):
    before = len(bpy.context.scene.worldfm.memory)
    yield from capture(ui, before)
    yield from load(ui)
    yield from watch(ui, before)


def capture(ui, before):
    """With every engine."""
    settings = bpy.context.scene.worldfm
    yield from artist.sidebar(ui)
    area, region, space = artist.viewport()
    space.region_3d.view_perspective = "CAMERA"
    yield from ui.turns()
    window = bpy.context.window_manager.windows[0]
    eevee = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
    engines = {"CYCLES": "40", eevee: "30", "BLENDER_WORKBENCH": "20"}
    for count, (engine, frame) in enumerate(engines.items(), before + 1):
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.worldfm.capture_memory(
                "INVOKE_DEFAULT", frames=frame, samples=4, engine=engine, percentage=50
            )
        captured = lambda count=count: len(settings.memory) >= count  # noqa: E731
        yield from ui.until(captured, 180, f"the memory frame by {engine}")
        yield from ui.until(lambda: not artist.working(), 60, "the end of the capture")
    new = settings.memory[before:]
    ui.result["looks"] = {item.source: look(item) for item in new}
    ui.result["moments"] = [[item.moment is not None, item.moment_view is not None] for item in new]
    settings.memory_index = 1
    yield 3.0  # thumbnails
    ui.result["names"] = [item.name for item in settings.memory]
    yield from ui.picture("memory")


def load(ui):
    """The file that is saved with them."""
    bpy.ops.wm.save_as_mainfile(filepath=ui.given["target"])
    bpy.ops.wm.open_mainfile(filepath=ui.given["target"])
    yield from ui.turns()
    memory = bpy.context.scene.worldfm.memory
    ui.result["names_after_loading"] = [item.name for item in memory]
    ui.result["pictures_after_loading"] = [
        bool(item.colour and item.colour.packed_files) for item in memory
    ]
    yield 2.0  # thumbnails
    yield from artist.sidebar(ui)


def watch(ui, before):
    """Whether they fit, and what an edit makes of that."""
    scene = bpy.context.scene
    states = sys.modules[f"{artist.ADDON}.memory_states"]

    def fits():
        """What the list says of the frames; None while it is found out."""
        told = [states.known(scene, item) for item in scene.worldfm.memory]
        return [state and state.fit.name for state in told[before:]]

    yield from ui.until(lambda: None not in fits(), 60, "whether memory fits")
    ui.result["fits"] = fits()
    node = next(n for n in scene.world.node_tree.nodes if n.type == "BACKGROUND")
    node.inputs["Strength"].default_value += 0.5
    yield from ui.until(lambda: "STALE" in fits(), 60, "that memory no longer fits")
    ui.result["stale"] = fits()
    yield 1.0
    yield from ui.picture("memory-after-loading")
