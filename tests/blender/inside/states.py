# SPDX-License-Identifier: GPL-3.0-or-later
"""Which memory frames still fit: after each edit, at other frames, and once captured again."""

from __future__ import annotations

import time
from typing import Any

import bpy
import extension
import numpy as np
import scenes
from mathutils import Matrix


def fresh() -> bpy.types.Scene:
    """Two frames, of which the second looks away from the ball."""
    scene = scenes.small_world()
    scene.worldfm.memory.clear()
    scene.camera.animation_data_clear()
    bpy.ops.worldfm.capture_memory(source="CAMERA", samples=1, percentage=25)
    before = scene.camera.matrix_world.copy()
    scene.camera.matrix_world = before @ Matrix.Rotation(np.pi, 4, "Y")
    bpy.ops.worldfm.capture_memory(source="CAMERA", samples=1, percentage=25)
    scene.camera.matrix_world = before
    return scene


def states() -> list[list[Any]]:
    """Of each memory frame."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = extension.part("memory_states").find_out(bpy.context.scene, depsgraph)
    return [
        [state.fit.name, list(state.objects), state.lamps, state.world] for state in found.values()
    ]


def red() -> bpy.types.Material:
    return scenes.material("Red", (1, 0, 0))


def edits() -> dict[str, Any]:
    """What is in sight makes a frame partly stale; lamps and the world make all of them stale."""
    scene = fresh()
    found: dict[str, Any] = {"nothing": states()}
    ball = scene.objects["Ball"]
    ball.location.x += 0.3
    found["moved"] = states()
    ball.data.materials.clear()
    ball.data.materials.append(red())
    found["repainted"] = states()
    bpy.ops.worldfm.recapture(stale=True, samples=1)
    found["again"] = [*states(), len(scene.worldfm.memory)]
    ball.hide_set(True)
    found["hidden"] = states()
    ball.hide_set(False)
    ball.hide_render = ball.hide_viewport = True
    found["disabled"] = states()
    bpy.data.objects.remove(ball)
    found["deleted"] = states()
    lamp = next(ob for ob in scene.objects if ob.type == "LIGHT")
    lamp.data.energy *= 1.2
    found["brighter"] = states()
    lamp.data.energy *= 5
    found["much brighter"] = states()
    bpy.ops.worldfm.recapture(stale=True, samples=1)
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value += 1
    found["world"] = states()
    bpy.ops.worldfm.recapture(every=True, samples=1)
    found["all again"] = states()
    scene.worldfm.memory[0].moment = scene.worldfm.memory[0].moment_view = None
    found["unknown"] = states()
    return found


def animation() -> dict[str, Any]:
    """What the animation of the scene changes is no fault of a frame that was captured earlier."""
    scene = fresh()
    paint = red()
    scene.objects["Ball"].data.materials.clear()
    scene.objects["Ball"].data.materials.append(paint)
    colour = paint.node_tree.nodes["Principled BSDF"].inputs["Base Color"]
    strength = scene.world.node_tree.nodes["Background"].inputs["Strength"]
    lamp = next(ob for ob in scene.objects if ob.type == "LIGHT")
    for frame, share in ((1, 0.0), (3, 1.0)):
        colour.default_value = (1, share, 0, 1)
        colour.keyframe_insert("default_value", frame=frame)
        strength.default_value = 1 + share
        strength.keyframe_insert("default_value", frame=frame)
        lamp.data.energy = 100 * (1 + 9 * share)
        lamp.data.keyframe_insert("energy", frame=frame)
        for name in ("hide_viewport", "hide_render"):
            setattr(scene.objects["Floor"], name, frame == 3)
            scene.objects["Floor"].keyframe_insert(name, frame=frame)
    scene.frame_set(1)
    bpy.ops.worldfm.recapture(every=True, samples=1)
    found = {"same frame": states()}
    scene.frame_set(3)
    found["other frame"] = states()
    bpy.data.objects.remove(scene.objects["Floor"])
    found["deleted"] = states()
    return found


def watched() -> dict[str, Any]:
    """A list that is drawn finds out without waiting, and anew after a change and after undo."""
    scene = fresh()
    kept = extension.part("memory_states")
    kept.forget()
    kept._REST = 0.0
    bpy.app.handlers.depsgraph_update_post.clear()

    def settled() -> list[str | None]:
        """What the list says once there is nothing more to come."""
        for item in scene.worldfm.memory:
            kept.known(scene, item)
        slices = 0
        watch = kept._watches[scene.session_uid]
        while watch.dirty or watch.judging:
            slices += 1
            assert slices < 6_000
            time.sleep(0.01)
            kept._tick()
        told = [kept.known(scene, item) for item in scene.worldfm.memory]
        return [one and one.fit.name for one in told]

    found: dict[str, Any] = {}
    found["at first"] = [kept.known(scene, item) is None for item in scene.worldfm.memory]
    found["settled"] = settled()
    scene.objects["Ball"].data.materials.clear()
    scene.objects["Ball"].data.materials.append(red())
    depsgraph = bpy.context.evaluated_depsgraph_get()
    kept.note_changes(depsgraph)
    found["asked again"] = settled()
    found["still asked"] = kept._watches[scene.session_uid].dirty
    return found


extension.run_all(edits, animation, watched)
