# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not hurt Blender: `accidents.py newer|unregister FOLDER`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy
import extension
import install
import scenes

FOLDER = Path(sys.argv[2])


def newer() -> dict[str, Any]:
    """A .blend of a later version: rendered as well as can be, with a word, and saved whole."""
    scene = scenes.small_world()
    file_version = extension.part("file_version")
    path = str(FOLDER / "later.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    found: dict[str, Any] = {"format": [scene.worldfm.format, file_version.warning(scene)]}
    file_version.FORMAT, now = 7, file_version.FORMAT
    scene.worldfm.seed = 12
    item = scene.worldfm.memory.add()
    item.name, item.id, item.camera_json = "From later", "0" * 16, '{"lens": "fisheye"}'
    bpy.ops.wm.save_mainfile()
    file_version.FORMAT = now
    bpy.ops.wm.open_mainfile(filepath=path)
    scene = bpy.context.scene
    found["warning"] = file_version.warning(scene)
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(FOLDER / "out.png")
    bpy.ops.render.render(write_still=True)
    found["rendered"] = (FOLDER / "out.png").exists()
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=path)
    settings = bpy.context.scene.worldfm
    kept = [settings.format, settings.seed, settings.memory[-1].camera_json]
    return {**found, "kept": kept}


def unregister() -> dict[str, Any]:
    """Disabled while a viewport streams, a command runs and an installation is under way."""
    scene = scenes.small_world()
    runtime, installation = extension.part("runtime"), extension.part("installation")
    build, frame = extension.part("operators.build_process"), extension.part("backend.shared.frame")
    before = set(threading.enumerate())
    client = runtime.running_client(scene)
    camera = extension.part("scene_sync.cameras").render_camera(scene.camera, scene)
    source = runtime.source("view/1")
    copy = source.reader.read(bpy.context.evaluated_depsgraph_get(), camera)
    world = source.builder.build(copy)
    client.set_world("view/1", world.revision, world.anchors, world.memory)
    end = time.monotonic() + 400
    while client.newest("view/1") is None and time.monotonic() < end:
        client.preview("view/1", "view/1", frame.FrameRequest(camera))
        time.sleep(0.2)
    found: dict[str, Any] = {"streamed": client.newest("view/1") is not None}
    client.preview("view/1", "view/1", frame.FrameRequest(camera))  # in work when it ends
    run = build.CommandRun(["serve", "--token-file", str(FOLDER / "token")])
    bpy.ops.worldfm.live_image()
    begun = threading.Event()

    def endless(one: Any) -> None:
        begun.set()
        one.cancel.wait(60)

    installation._task = extension.part("backend.client").InstallTask(
        installation.installation(), endless
    )
    begun.wait(10)
    while not (FOLDER / "token").exists() and time.monotonic() < end:
        time.sleep(0.1)
    found["running"] = [len(install.backends()) > 0, run.running, installation.task() is not None]
    began = time.monotonic()
    bpy.ops.preferences.addon_disable(module=extension.MODULE)
    found["seconds"] = time.monotonic() - began
    found["ended"] = [run.running, installation.task() is not None]
    found["left"] = install.left()
    while set(threading.enumerate()) - before and time.monotonic() < end:
        time.sleep(0.1)
    found["threads"] = [thread.name for thread in set(threading.enumerate()) - before]
    return found


extension.run_one(newer, unregister)
