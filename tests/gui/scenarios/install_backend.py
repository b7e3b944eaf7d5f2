# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences install the backend: size first, a cancel in the middle, then to the end.

Then everything moves to another folder, works there, and is removed but for the models.
"""

import sys
from pathlib import Path

import artist
import bpy


def play(ui):
    preferences = bpy.context.preferences
    own = preferences.addons[artist.ADDON].preferences
    own.python, own.base_python = "", ui.given["base_python"]
    installation = sys.modules[f"{artist.ADDON}.installation"]
    yield from estimate(ui, installation)
    yield from cancel(ui, installation)
    yield from install(ui, installation)
    yield from move(ui, installation)
    yield from remove(ui, installation)


def done(installation):
    return lambda: installation.task() is None


def estimate(ui, installation):
    try:
        bpy.ops.worldfm.install_estimate()
    except RuntimeError as error:
        ui.result["offline"] = str(error)
    bpy.context.preferences.system.use_online_access = True
    yield from artist.show_preferences()
    yield from ui.tool("xdotool", "mousemove", "1500", "980")  # no tooltip in the pictures
    bpy.ops.worldfm.install_estimate()
    yield from ui.until(done(installation), 240, "the estimate")
    ui.result["estimate"] = installation.outcome
    yield from ui.picture("install-estimate")


def cancel(ui, installation):
    bpy.ops.worldfm.install()
    ended = done(installation)
    yield from ui.until(
        lambda: ended() or (installation.task().fraction or 0) > 0.1, 300, "some progress"
    )
    yield from ui.picture("install-progress")
    bpy.ops.worldfm.install_cancel()
    yield from ui.until(ended, 60, "the end of the cancelled installation")
    ui.result["cancelled"] = [installation.state().value, installation.outcome]
    yield from ui.picture("install-cancelled")


def install(ui, installation):
    bpy.ops.worldfm.install()
    yield from ui.until(done(installation), 900, "the end of the installation")
    ui.result["installed"] = [installation.state().value, installation.outcome]
    bpy.ops.worldfm.install_verify()
    yield from ui.until(done(installation), 120, "the end of the check")
    ui.result["verified"] = installation.outcome
    bpy.ops.worldfm.backend_start()
    yield from artist.ready(ui, 240)
    yield 1.0
    yield from ui.picture("install-ready")


def move(ui, installation):
    models = sys.modules[f"{artist.ADDON}.runtime"].models_folder()
    models.mkdir(exist_ok=True)
    (models / "mine.txt").write_text("a model of the user's")
    bpy.ops.worldfm.install_move(directory=ui.given["folder"])
    yield from ui.until(done(installation), 240, "the end of the move")
    ui.result["moved"] = [installation.state().value, installation.outcome]
    bpy.ops.worldfm.backend_start()
    yield from artist.ready(ui, 240)
    yield 1.0
    yield from ui.picture("install-moved")


def remove(ui, installation):
    bpy.ops.worldfm.install_remove()
    yield from ui.until(done(installation), 120, "the end of the removal")
    ui.result["removed"] = [installation.state().value, installation.outcome]
    folder = Path(ui.given["folder"])
    ui.result["left"] = sorted(path.name for path in folder.iterdir())
    ui.result["models"] = [path.name for path in (folder / "models").iterdir()]
    yield 1.0
    yield from ui.picture("install-removed")
