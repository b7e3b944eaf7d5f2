# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-F12, and Esc in the middle of the animation."""

from pathlib import Path

import artist
import bpy


def play(ui):
    scene = bpy.context.scene
    folder = Path(ui.given["folder"])
    scene.render.filepath = f"{folder}/"
    if hasattr(scene.render.image_settings, "media_type"):
        scene.render.image_settings.media_type = "IMAGE"
    scene.render.image_settings.file_format = "PNG"
    counts = artist.rendered()
    _, region, _ = artist.viewport()
    yield from ui.keys(region, f"ctrl+{artist.F12}")
    yield from ui.until(lambda: counts["write"] >= 3, 600, "the third frame")
    yield from ui.picture("animation")
    yield from ui.tool("xdotool", "key", "Escape")
    yield from ui.until(lambda: counts["cancel"], 120, "the end of the animation after Esc")
    yield from ui.until(lambda: not bpy.app.is_job_running("RENDER"), 60, "the end of the job")
    ui.result["written"] = counts["write"]
    ui.result["files"] = sorted(file.name for file in folder.iterdir())
    yield from ui.turns()
    counts.update(complete=0, cancel=0)
    yield from ui.keys(region, artist.F12)
    yield from artist.finished(ui, counts, 120, "a still after the stopped animation")
