# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Blender is attacked with: `attack.py prepare|works|look|attributes ...`.

prepare FOLDER          scene.blend with a captured view and a world's points; files made of them
works NAME              one of WORKS for each line "FOLDER TEMPORARY": to be killed in the
                        middle, or where there is no room for it
look NAME FOLDER...     what is in each folder now: "old", "new" or what is wrong
attributes SEED COUNT   values of a stranger's .blend: sentences or nothing, never a traceback
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import tempfile
import traceback
from collections.abc import Callable
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
SPLATS, OLD_SPLATS = "splats.ply", b"the user's file"
ANSWER = "answer: "
WORLD = "Points"
"""The object that is a world: its points are in the .blend, then in a folder beside it."""


def prepare() -> dict[str, Any]:
    """The state that can be lost."""
    folder = Path(sys.argv[2])
    scene = scenes.small_world()
    _let_cycles_bake(bpy.data.materials["Red"])
    bpy.ops.worldfm.capture_memory(frames="1", samples=1)
    _add_world(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    bpy.ops.worldfm.export_world(directory=str(folder / "world"))
    (folder / "world" / "notes.txt").write_text("mine")
    (folder / SPLATS).write_bytes(OLD_SPLATS)
    return {"views": len(scene.worldfm.memory)}


def _let_cycles_bake(material: bpy.types.Material) -> None:
    """A node that only Cycles evaluates."""
    tree = material.node_tree
    wire = tree.nodes.new("ShaderNodeWireframe")
    base = tree.nodes["Principled BSDF"].inputs["Base Color"]
    tree.links.new(wire.outputs["Fac"], base)


def _add_world(scene: bpy.types.Scene) -> None:
    rng = np.random.default_rng(0)
    points = extension.part("backend.shared.anchors").Anchors(
        rng.normal(size=(500, 3)).astype(np.float32),
        rng.integers(0, 256, (500, 3), dtype=np.uint8),
        np.full(500, 0.1, np.float32),
    )
    mesh = extension.part("scene_sync.anchor_points").anchor_mesh(WORLD, points, 1.0)
    scene.collection.objects.link(bpy.data.objects.new(WORLD, mesh))


def _capture(folder: Path) -> None:
    bpy.ops.worldfm.capture_memory(frames="3", samples=1)


def _paint(folder: Path) -> None:
    _make_active("Floor")
    bpy.ops.worldfm.project_to_geometry(size=64)


def _bake(folder: Path) -> None:
    """Materials by Cycles, and the world by the command line beside Blender."""
    bpy.ops.worldfm.bake_materials(size=64, samples=1)
    bpy.ops.worldfm.bake_splats(filepath=str(folder / SPLATS), overwrite=True, add=False)


def _save(folder: Path) -> None:
    """The world into a folder beside the .blend, and all of it for other programs."""
    _make_active(WORLD)
    bpy.ops.worldfm.world_to_folder()
    bpy.context.scene.frame_set(2)
    bpy.ops.worldfm.export_world(directory=str(folder / "world"), overwrite=True)


WORKS: dict[str, Callable[[Path], None]] = {
    "capture": _capture, "paint": _paint, "bake": _bake, "save": _save,
}  # fmt: skip
"""What a user does, and then saves the .blend."""


def _make_active(name: str) -> None:
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = bpy.data.objects[name]
    bpy.data.objects[name].select_set(True)


def works() -> dict[str, Any]:
    """One after the other, as none of them ends Blender; each is answered by a line."""
    print("ready", flush=True)
    for line in sys.stdin:
        folder, tempfile.tempdir = line.split()
        try:
            found = _done(sys.argv[2], Path(folder))
        except Exception:
            found = {"traceback": traceback.format_exc()}
        print("\n" + ANSWER + json.dumps(found), flush=True)
    return {}


def _done(name: str, folder: Path) -> dict[str, Any]:
    """Each step changes files or the .blend. refused: what an operator of ours reports."""
    bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
    print("begun", flush=True)
    try:
        WORKS[name](folder)
    except RuntimeError as error:
        return {"refused": str(error)}
    # Blender 5.0 does not notice a full disk where it compresses: it cuts the file off, and what
    # was there before is left as .blend1 alone
    with contextlib.suppress(RuntimeError):  # Blender's own words
        bpy.ops.wm.save_mainfile(compress=False)
    return {"refused": ""}


def look() -> dict[str, Any]:
    """Whether each folder has the old state or the new one, whole."""
    return {"states": [_state(Path(folder), sys.argv[2]) for folder in sys.argv[3:]]}


def _state(folder: Path, name: str) -> str:
    errors = extension.part("backend.shared.errors")
    load_world = extension.part("backend.shared.world_folder").load_world
    if (folder / "world" / "notes.txt").read_text() != "mine":
        return "file lost: notes.txt"
    memory = extension.part("scene_sync.memory")
    memory.forget_frames()
    try:
        bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
        world = load_world(folder / "world")
        frames, problems = memory.read_frames(bpy.context.scene)
        if problems or len(frames) != 1 + (len(frames) == 2 and name == "capture"):
            return f"file lost: {len(frames)} views, {problems}"
        if len(world.memory) != 1:
            return f"file lost: the exported world has {len(world.memory)} views"
        made = {"capture": len(frames) == 2, "paint": _painted(), "bake": _baked(folder),
                "save": _in_folder()}  # fmt: skip
    except (RuntimeError, ValueError, errors.WorldFMError) as error:
        return f"file lost: {error}"
    other = [work for work, is_there in made.items() if is_there and work != name]
    return f"file lost: {other} of another work" if other else "new" if made[name] else "old"


def _painted() -> bool:
    """A whole picture that the floor shows. Raises ValueError when half of it is there."""
    image = bpy.data.images.get("Floor WorldFM")
    shown = "Floor WorldFM" in bpy.data.objects["Floor"].data.materials
    if shown != (image is not None):
        raise ValueError("a material without its picture")
    if image is not None and len(image.pixels) != 64 * 64 * 4:
        raise ValueError("the picture is not there")
    return shown


def _baked(folder: Path) -> bool:
    """Whether pictures are kept with the ball; splats are checked besides: whole, or the old."""
    splats = (folder / SPLATS).read_bytes()
    if splats != OLD_SPLATS:
        head, _, rows = splats.partition(b"end_header\n")
        count = next(
            int(x.split()[2]) for x in head.splitlines() if x.startswith(b"element vertex")
        )
        if not count or len(rows) != count * 4 * head.count(b"property float"):
            raise ValueError(f"{SPLATS} is half written")
    reader = extension.part("scene_sync.scene_reader").SceneReader()
    found, _ = reader.read_found(bpy.context.evaluated_depsgraph_get(), render_sky=False)
    kept = len(bpy.data.objects["Ball"].worldfm.bakes)
    missing = any(one.kind.unbaked for one in found if one.kind.name == "Ball")
    if missing == bool(kept):
        raise ValueError(f"{kept} bakes are kept, missing: {missing}")
    if kept and splats == OLD_SPLATS:
        raise ValueError(f"{SPLATS} is the old one")
    return bool(kept)


def _in_folder() -> bool:
    """Raises WorldFMError when the folder of the world cannot be read."""
    ob = bpy.data.objects[WORLD]
    kept = extension.part("scene_sync.world_folder").folder_of(ob)
    if kept is not None:
        world = extension.part("backend.shared.world_folder").load_world(kept.path)
        if len(world.anchors) != 500:
            raise ValueError(f"{len(world.anchors)} points are in the folder")
    elif len(ob.data.vertices) != 500:
        raise ValueError(f"{len(ob.data.vertices)} points are in the file")
    return kept is not None


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
    snapshots = extension.part("scene_sync.snapshots")
    rgb, depth = np.zeros((48, 64, 3), np.uint8), np.ones((48, 64), np.float32)
    item = scene.worldfm.history.add()
    item.name, item.camera_json = "Render 1", scene.worldfm.memory[0].camera_json
    snapshots.pack_snapshot(item, snapshots.snapshot(rgb, depth))
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


extension.run_one(prepare, works, look, attributes)
