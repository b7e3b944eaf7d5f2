# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preferences say and do about the backend, without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bpy
import extension
import scenes
from extension import said

FOLDER = Path(sys.argv[1])


def main() -> dict[str, Any]:
    runtime, installation = extension.part("runtime"), extension.part("installation")
    ops = bpy.ops.worldfm
    found: dict[str, Any] = {"state": installation.state().value}
    preferences = runtime.preferences()
    data = runtime.data_folder()
    found["own folder"] = data.is_relative_to(bpy.utils.resource_path("USER"))
    found["offline"] = bpy.app.online_access
    for name in ("estimate", "", "repair"):
        operator = getattr(ops, f"install_{name}" if name else "install")
        found[f"offline {name}"] = said(operator)
    found["download"] = said(ops.download_model)
    found["verify"] = said(ops.install_verify)
    (data / "models").mkdir()
    (data / "models" / "mine.txt").write_text("a model")
    (data / "environment.partial").mkdir(exist_ok=True)
    found["interrupted"] = installation.state().value
    found["remove"] = said(ops.install_remove)
    found["kept"] = (data / "models" / "mine.txt").exists()
    (FOLDER / "full").mkdir()
    (FOLDER / "full" / "letter.txt").write_text("keep me")
    found["move to full"] = said(ops.install_move, directory=str(FOLDER / "full"))
    found["move"] = said(ops.install_move, directory=str(FOLDER / "new"))
    found["moved"] = (FOLDER / "new" / "models" / "mine.txt").read_text()
    found["now"] = str(runtime.data_folder())
    os.environ.pop("WORLDFM_PYTHON")
    preferences.python = sys.executable
    found["python"] = str(runtime.backend_python()) == sys.executable
    found["models"] = os.environ["WORLDFM_MODELS"]
    preferences.python = str(FOLDER / "nowhere")
    scene, next_step = bpy.context.scene, extension.part("next_step")
    usual, scene.render.engine = scene.render.engine, "WORLDFM"
    found["astray"] = [next_step.next_step(bpy.context).text]
    preferences.python = ""
    found["astray"].append(next_step.next_step(bpy.context).text)
    scene.render.engine = usual
    found["mended"] = mended(runtime, preferences)
    found["start"] = said(ops.backend_start)
    ops.show_log()
    found["install log"] = bpy.data.texts["WorldFM Log"].as_string()
    found["log"] = bpy.data.texts["WorldFM Log"].as_string().splitlines()[0]
    backend = extension.part("operators.backend")
    found["report"] = backend.report_text(bpy.context.scene)
    found["history"] = history(runtime)
    return found


def mended(runtime: Any, preferences: Any) -> list[Any]:
    """What is started as settings change, while nothing is wrong and after a failure."""
    client, states = runtime.client(), extension.part("backend.client").BackendState
    scene, started = bpy.context.scene, []
    preferences.python = sys.executable
    state, start = client.state, client.start
    client.start = lambda launch: started.append([launch.model, launch.threads])
    scene.worldfm.model = "embeded"
    client.state = states.FAILED
    scene.worldfm.model = "embedded"
    preferences.threads = 2
    preferences.python = str(FOLDER / "nowhere")
    client.state, client.start = state, start
    preferences.threads, preferences.python = 0, ""
    return started


def history(runtime: Any) -> list[Any]:
    """A noted frame can be recalled."""
    frame, notes = extension.part("backend.shared.frame"), extension.part("history")
    import numpy as np

    scene = scenes.small_world()
    camera = extension.part("scene_sync.cameras").render_camera(scene.camera, scene)
    shape = (camera.height, camera.width)
    picture, plane = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.float32)
    notes.listening = True  # as with a window
    for seed in (5, 6):
        request = frame.FrameRequest(camera, 2, seed, 3)
        reply = frame.FrameReply(
            picture.astype(np.float16), plane, plane, picture, request, 255, "small", "abc"
        )
        notes.note(scene.name, seed - 3, reply, 1.5)
    notes.write_down()
    settings = scene.worldfm
    settings.history_index = 1
    bpy.ops.worldfm.recall_settings()
    newest = settings.history[0]
    bpy.ops.worldfm.render_to_memory()
    kept = extension.part("scene_sync.memory").read_frames(scene)[0][-1]
    assert np.array_equal(kept.camera.c2w, camera.c2w) and kept.depth is not None
    assert list(newest.size) == [camera.width, camera.height] and newest.colour is not None
    return [
        [newest.name, newest.revision, newest.model],
        [settings.seed, settings.steps, settings.references, scene.frame_current],
    ]


extension.run(main)
