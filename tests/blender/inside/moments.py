# SPDX-License-Identifier: GPL-3.0-or-later
"""What captured frames keep of the scene that they saw, through all that happens to a .blend."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes
from extension import memory_frames

FOLDER = Path(sys.argv[1])


def fresh() -> bpy.types.Scene:
    """A ball that two levels of subdivision make smooth in renders, one in viewports."""
    scene = scenes.small_world()
    scene.worldfm.memory.clear()
    subdivided = scene.objects["Ball"].modifiers.new("Subdivision", "SUBSURF")
    subdivided.levels, subdivided.render_levels = 0, 1
    return scene


def comparison(moment: Any, scene: Any) -> dict[str, list[str]]:
    """Keys of what changed since a moment."""
    shared = extension.part("backend.shared.moment")
    names = extension.part("backend.shared.names").Names.of(scene)
    found = shared.Comparison.of(scene, names, moment)
    keys, here = np.array(names.keys), found.place >= 0
    return {
        "new": keys[~here].tolist(),
        "shaped": keys[here & ~found.shaped].tolist(),
        "looks": keys[here & ~found.looks].tolist(),
        "moved": keys[here & found.moved].tolist(),
        "gone": np.array(moment.names())[found.gone].tolist(),
        "sky": [] if moment.sky == names.sky else ["sky"],
        "around": [] if moment.around == names.around else ["around"],
    }


def changes(moment: Any) -> dict[str, list[str]]:
    """What of the scene, as viewports have it, changed since."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = comparison(moment, extension.part("scene_sync.surfaces").read_scene(depsgraph))
    return {name: keys for name, keys in found.items() if keys}


def two_shapes() -> dict[str, Any]:
    """Final renders and viewports each find what they show."""
    scene = fresh()
    bpy.ops.worldfm.capture_memory(frames="1, 3", samples=1, percentage=50)
    (view, _), (final, later) = memory_frames(), memory_frames(final=True)
    images = [i.name for i in bpy.data.images if i.name.endswith("moment")]
    moments = extension.part("scene_sync.moments")
    data = moments.encode_moment(final.moment)
    same = extension.part("backend.shared.tree_codec").same_tree
    settings = [scene.frame_current, len(bpy.app.handlers.frame_change_post)]
    return {
        "settings": settings,
        "changed since": changes(view.moment),
        "final": changes(final.moment),
        "images": len(images),
        "shared": [bool(same(a.moment, b.moment)) for a, b in ((final, later), (final, view))],
        "again": same(moments.decode_moment(data), final.moment),
        "bytes": len(data),
        "background": final.moment.background is not None,
        "lamps": len(final.moment.lamps),
        "loaded": loaded(),
    }


def loaded() -> dict[str, Any]:
    """After saving and loading, undo, and as a file of before that knew no moments."""
    before = memory_frames(final=True)
    file = FOLDER / "moments.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    bpy.ops.wm.open_mainfile(filepath=str(file))
    same = extension.part("backend.shared.tree_codec").same_tree
    scene = bpy.context.scene
    scene.frame_set(1)
    after = memory_frames(final=True)
    found = {"same": same([f.moment for f in before], [f.moment for f in after])}
    found["changes"] = changes(memory_frames()[0].moment)
    bpy.ops.ed.undo_push(message="before")
    scene.worldfm.memory[0].moment = scene.worldfm.memory[0].moment_view = None
    bpy.ops.ed.undo_push(message="forgotten")
    found["forgotten"] = [f.moment is None for f in memory_frames()]
    bpy.ops.ed.undo()
    found["undone"] = [f.moment is None for f in memory_frames()]
    file = extension.part("scene_sync.moments")
    kept, file.FORMAT = file.FORMAT, 99
    extension.part("scene_sync.memory").forget_frames()
    found["other version"] = [f.moment is None for f in memory_frames()]
    file.FORMAT = kept
    extension.part("scene_sync.memory").forget_frames()
    item = bpy.context.scene.worldfm.memory[0]
    item.moment_view.unpack(method="REMOVE")
    found["damaged"] = extension.part("scene_sync.memory").read_frames(bpy.context.scene)[1]
    return found


def edits() -> dict[str, Any]:
    """Each change is told apart."""
    scene = fresh()
    scene.camera.animation_data_clear()
    floor = scene.objects["Floor"]
    bpy.ops.worldfm.capture_memory(source="CAMERA", samples=1, percentage=50)
    (one,) = memory_frames()
    found = {"nothing": changes(one.moment)}
    ball = scene.objects["Ball"]
    ball.location.x += 0.5
    found["moved"] = changes(one.moment)
    red = bpy.data.materials.new("Red")
    red.use_nodes = True
    red.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (1, 0, 0, 1)
    floor.data.materials.clear()
    floor.data.materials.append(red)
    found["repainted"] = changes(one.moment)
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value += 1
    bpy.data.objects.remove(ball)
    found["all"] = changes(one.moment)
    count = len(scene.worldfm.memory)
    bpy.ops.worldfm.recapture(samples=1)
    found["again"] = [len(scene.worldfm.memory) - count, changes(memory_frames()[0].moment)]
    return found


def bending() -> dict[str, Any]:
    """A moment is of its frame, with the vertices of what an animation bends."""
    scene = fresh()
    scene.camera.animation_data_clear()
    ball, floor = scene.objects["Ball"], scene.objects["Floor"]
    ball.shape_key_add(name="Basis")
    tall = ball.shape_key_add(name="Tall")
    for point in tall.data:
        point.co.z *= 1.5
    for frame, value in ((1, 0.0), (3, 1.0)):
        tall.value, floor.location.z = value, -0.1 * value
        tall.keyframe_insert("value", frame=frame)
        floor.keyframe_insert("location", frame=frame)
    scene.frame_set(2)
    bpy.ops.worldfm.capture_memory(frames="1, 3", samples=1, percentage=50)
    frames = memory_frames()
    found: dict[str, Any] = {"frame": scene.frame_current, "changes": []}
    for at, one in zip((1, 3), frames, strict=True):
        scene.frame_set(at)
        found["changes"].append([changes(one.moment), sorted(changes(frames[0].moment))])
    moment = extension.part("backend.shared.moment")
    heights = []
    for one in frames:
        place = one.moment.names().index("Ball")
        heights.append(float(np.ptp(one.moment.vertices_of(place)[:, 2])))
    found["taller"] = heights[1] / heights[0]
    moment.MOST_VERTICES = 3
    said = []
    captures = extension.part("operators.memory")
    kept, captures.warn_once = captures.warn_once, lambda _, sentences, __: said.extend(sentences)
    bpy.ops.worldfm.capture_memory(frames="2", samples=1, percentage=50)
    captures.warn_once = kept
    found["too many"] = said
    return found


def folders() -> dict[str, Any]:
    """A world's folder holds them, and gives them back to a .blend."""
    scene = fresh()
    bpy.ops.worldfm.capture_memory(frames="1, 3", samples=1, percentage=50)
    before = memory_frames()
    bpy.ops.worldfm.export_world(directory=str(FOLDER / "world"))
    world = extension.part("backend.shared.world_folder").load_world(FOLDER / "world")
    same = extension.part("backend.shared.tree_codec").same_tree
    found = {"loaded": same([f.moment for f in world.memory], [f.moment for f in before])}
    scene.worldfm.memory.clear()
    bpy.ops.worldfm.open_world(directory=str(FOLDER / "world"))
    found["opened"] = same([f.moment for f in memory_frames()], [f.moment for f in before])
    return found


def beside() -> dict[str, Any]:
    """What a background Blender captures comes over whole."""
    fresh()
    work = extension.part("operators.capture_work")
    settings = {"engine": "CYCLES", "samples": 1, "percentage": 50, "layer": ""}
    shots = [{"name": "a", "frame": 1, "camera": None}]
    given = {"scene": bpy.context.scene.name, "settings": settings, "shots": shots}
    (FOLDER / "capture.json").write_text(json.dumps(given), encoding="utf-8")
    work.work(str(FOLDER))
    over = work._read(FOLDER / "0000.npz")
    shot = extension.part("scene_sync.capture").Shot("a", 1)
    ((_, here),) = work.capture_here(bpy.context.scene, work.CaptureSettings(**settings), [shot])
    same = extension.part("backend.shared.tree_codec").same_tree
    return {"same": over.moments == here.moments, "camera": same(over.camera, here.camera)}


extension.run_all(two_shapes, edits, bending, folders, beside)
