# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Blender is attacked with: `attack.py prepare|work|look|attributes ...`.

prepare FOLDER          scene.blend with one captured view, and its exported world
work FOLDER             capture, paint onto the geometry, export and save: killed in the middle
look FOLDER...          what is in each folder now: "old", "new" or what is wrong
attributes SEED COUNT   values of a stranger's .blend: sentences or nothing, never a traceback
"""

from __future__ import annotations

import contextlib
import io
import random
import sys
import traceback
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes

ROOT = extension.ROOT
sys.path.insert(0, str(ROOT))
from tests.fuzz.mutate import NASTY, mutated  # noqa: E402

FOLDER = "worldfm_folder"
OBJECTS = ("location", "scale", "rotation_euler", "vertex", "lens", "clip", FOLDER)
OLD, NEW = 1, 2
"""Captured views."""


def prepare() -> dict[str, Any]:
    """The state that can be lost."""
    folder = Path(sys.argv[2])
    scene = scenes.small_world()
    bpy.ops.worldfm.capture_memory(frames="1", samples=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    bpy.ops.worldfm.export_world(directory=str(folder / "world"))
    (folder / "world" / "notes.txt").write_text("mine")
    return {"views": len(scene.worldfm.memory)}


def work() -> dict[str, Any]:
    """What a user does next; each step changes files or the .blend."""
    folder = Path(sys.argv[2])
    bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
    print("begun", flush=True)
    bpy.ops.worldfm.capture_memory(frames="3", samples=1)
    bpy.context.view_layer.objects.active = bpy.data.objects["Floor"]
    bpy.context.view_layer.objects.active.select_set(True)
    bpy.ops.worldfm.project_to_geometry(size=64)
    bpy.ops.worldfm.export_world(directory=str(folder / "world"), overwrite=True)
    bpy.ops.wm.save_mainfile()
    return {"views": len(bpy.context.scene.worldfm.memory)}


def look() -> dict[str, Any]:
    """Whether each folder has the old state or the new one, whole."""
    return {"states": [_state(Path(folder)) for folder in sys.argv[2:]]}


def _state(folder: Path) -> str:
    errors = extension.part("backend.shared.errors")
    load_world = extension.part("backend.shared.world_folder").load_world
    if (folder / "world" / "notes.txt").read_text() != "mine":
        return "file lost: notes.txt"
    try:
        bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
        stored = len(load_world(folder / "world").memory)
    except (RuntimeError, errors.WorldFMError) as error:
        return f"file lost: {error}"
    read_frames = extension.part("scene_sync.memory").read_frames
    extension.part("scene_sync.memory").forget_frames()
    frames, problems = read_frames(bpy.context.scene)
    if problems or len(frames) not in (OLD, NEW) or stored not in (OLD, NEW):
        return f"file lost: {len(frames)} views, {stored} in the world, {problems}"
    return "new" if len(frames) == stored == NEW else "old"


def attributes() -> dict[str, Any]:
    """Each time one value of the file is another; then everything that reads it does so."""
    chance, count = random.Random(int(sys.argv[2])), int(sys.argv[3])
    scene = scenes.small_world()
    bpy.ops.worldfm.capture_memory(frames="1, 2", samples=1)
    extension.part("backend.client")
    _remember_a_render(scene)
    bpy.ops.ed.undo_push(message="whole")
    wrong: list[str] = []
    sentences = 0
    for number in range(count):
        changed = _change_something(bpy.context.scene, chance)
        bugs, said = _read_everything()
        wrong += [f"traceback: {number} {changed}: {what}" for what in bugs]
        sentences += bool(said)
        bpy.ops.ed.undo_push(message="changed")
        bpy.ops.ed.undo()
        extension.part("runtime").forget_scenes()
    views = len(extension.part("scene_sync.memory").read_frames(bpy.context.scene)[0])
    return {"count": count, "wrong": wrong, "refused": sentences, "views": views}


def _remember_a_render(scene: bpy.types.Scene) -> None:
    memory = extension.part("scene_sync.memory")
    rgb, depth = np.zeros((48, 64, 3), np.uint8), np.ones((48, 64), np.float32)
    item = scene.worldfm.history.add()
    item.name, item.camera_json = "Render 1", scene.worldfm.memory[0].camera_json
    memory.pack_snapshot(item, memory.snapshot(rgb, depth))
    view = scene.worldfm.viewpoints.add()
    view.name = "View"


def _change_something(scene: bpy.types.Scene, chance: random.Random) -> str:
    settings = scene.worldfm
    item = chance.choice([settings, *settings.memory, *settings.history, *settings.viewpoints])
    ways = [_change_property, _change_property, _change_property, _change_object]
    if hasattr(item, "colour"):
        ways += [_change_image, _change_image]
    return chance.choice(ways)(scene, item, chance)


def _change_property(scene: bpy.types.Scene, item: Any, chance: random.Random) -> str:
    """Any property of ours, as a file may have it: also of another type than it should be."""
    kinds = ("STRING", "INT", "FLOAT")
    known = [p for p in item.bl_rna.properties if p.type in kinds and not p.is_readonly]
    if not known:
        return "nothing"
    prop = chance.choice(known)
    value = chance.choice(NASTY)
    if prop.type == "STRING" and chance.random() < 0.5:
        whole = str(getattr(item, prop.identifier)).encode()
        value = mutated(whole, chance).decode("utf-8", "replace")
    with contextlib.suppress(TypeError, ValueError, OverflowError, UnicodeError, AttributeError):
        setattr(item, prop.identifier, value)
    return f"{prop.identifier} = {str(value)[:60]!r}"


def _change_image(scene: bpy.types.Scene, item: Any, chance: random.Random) -> str:
    name = chance.choice([n for n in ("colour", "radiance", "depth") if getattr(item, n, None)])
    image = getattr(item, name)
    data = mutated(bytes(image.packed_file.data), chance)
    image.pack(data=data, data_len=len(data))
    return f"{name} damaged"


def _change_object(scene: bpy.types.Scene, item: Any, chance: random.Random) -> str:
    ob = chance.choice(list(bpy.data.objects))
    value = chance.choice((float("nan"), float("inf"), 1e30, -1e30, 0.0, 1e-30))
    what = chance.choice(OBJECTS)
    if what == "vertex" and ob.type == "MESH":
        ob.data.vertices[0].co[chance.randrange(3)] = value
    elif what == "lens" and ob.type == "CAMERA":
        ob.data.lens, ob.data.shift_x = value, value
    elif what == "clip" and ob.type == "CAMERA":
        ob.data.clip_start, ob.data.clip_end = abs(value), value
    elif what == FOLDER:
        folder = chance.choice(NASTY)
        if isinstance(folder, str):  # Blender itself trips over half of a surrogate pair here
            folder = folder.encode("utf-8", "replace").decode()
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            ob[FOLDER] = folder
        return f"{ob.name}: {what} = {str(folder)[:60]!r}"
    elif hasattr(ob, what):
        getattr(ob, what)[chance.randrange(3)] = value
    return f"{ob.name}: {what} = {value}"


def _read_everything() -> tuple[list[str], list[str]]:
    """What readers said that is no sentence, and those that said one."""
    scene, part = bpy.context.scene, extension.part
    part("scene_sync.memory").forget_frames()
    bpy.context.view_layer.update()
    client_free = {
        "memory": lambda: part("scene_sync.memory").read_frames(scene),
        "scene": _read_scene,
        "warning": lambda: part("file_version").warning(scene),
        "next": lambda: part("next_step").next_step(bpy.context),
    }
    operators = {
        "recall": bpy.ops.worldfm.recall_settings,
        "to memory": bpy.ops.worldfm.render_to_memory,
        "path": bpy.ops.worldfm.path_viewpoints,
    }
    wrong, said_one = [], []
    for name, read in client_free.items():
        try:
            found = read()
            if name == "memory" and found[1]:
                said_one.append(found[1][0])
        except Exception as error:
            if isinstance(error, part("backend.shared.errors").WorldFMError):
                said_one.append(str(error))
            else:
                wrong.append(f"{name}: {traceback.format_exc()[-700:]}")
    for name, operator in operators.items():
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                operator()
        except RuntimeError as error:
            if "Traceback" in f"{error}{said.getvalue()}":
                wrong.append(f"{name}: {str(error)[-700:]}")
    return wrong, said_one


def _read_scene() -> None:
    """As a render does it."""
    part = extension.part
    scene = bpy.context.scene
    depsgraph = bpy.context.evaluated_depsgraph_get()
    camera = part("scene_sync.cameras").render_camera(scene.camera, scene)
    copy = part("scene_sync.scene_reader").SceneReader().read(depsgraph, camera)
    part("scene_sync.world").WorldBuilder().draft(copy)


extension.run_one(prepare, work, look, attributes)
