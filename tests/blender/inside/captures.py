# SPDX-License-Identifier: GPL-3.0-or-later
"""What is captured, from where, how often: a still camera, gaps of a path, blur and layers."""

from __future__ import annotations

import json
from typing import Any

import bpy
import extension
import numpy as np
import scenes


def memory() -> list[Any]:
    return extension.part("scene_sync.memory").read_frames(bpy.context.scene)[0]


def fresh() -> bpy.types.Scene:
    scene = scenes.small_world()
    scene.worldfm.memory.clear()
    scene.render.use_motion_blur = False
    return scene


def still() -> dict[str, Any]:
    """A camera that stands still is rendered once; its depth of field and blur are left out."""
    scene = fresh()
    camera = scene.camera
    camera.animation_data_clear()
    camera.data.dof.use_dof, camera.data.dof.aperture_fstop = True, 0.01
    scene.render.use_motion_blur = True
    bpy.ops.worldfm.capture_memory(samples=4)
    one = memory()
    camera.data.dof.use_dof = False
    bpy.ops.worldfm.remove_memory(every=True)
    bpy.ops.worldfm.capture_memory(samples=4)
    sharp = memory()
    return {
        "count": len(one),
        "blur": float(np.abs(one[0].rgb.astype(int) - sharp[0].rgb).mean()),
        "kept": scene.render.use_motion_blur,
    }


def layers() -> dict[str, Any]:
    """The active view layer is what is remembered."""
    scene = fresh()
    scene.camera.animation_data_clear()
    other = scene.view_layers.new("Bare")
    hidden = bpy.data.collections.new("Hidden")
    scene.collection.children.link(hidden)
    ball = scene.objects["Ball"]
    for collection in list(ball.users_collection):
        collection.objects.unlink(ball)
    hidden.objects.link(ball)
    other.layer_collection.children["Hidden"].exclude = True
    with bpy.context.temp_override(view_layer=other):
        bpy.ops.worldfm.capture_memory(samples=4)
    bpy.ops.worldfm.capture_memory(samples=4)
    bare, full = memory()
    return {"differ": float(np.abs(bare.rgb.astype(int) - full.rgb).max())}


def gaps() -> dict[str, Any]:
    """From one view to nearly all that a path shows, and no further."""
    scene = fresh()
    scene.camera.animation_data_clear()
    bpy.ops.worldfm.capture_memory(source="CAMERA", samples=4)
    bpy.context.view_layer.objects.active = scene.objects["Ball"]
    scene.objects["Ball"].select_set(True)
    bpy.ops.worldfm.path_orbit(speed=4.0, set_range=True, activate=True)
    scene.frame_set(5)
    objects = len(bpy.data.objects)
    bpy.ops.worldfm.capture_memory(source="GAPS", samples=4, count=20)
    first = len(memory())
    coverage = json.loads(scene.worldfm.path_coverage)
    bpy.ops.worldfm.capture_memory(source="GAPS", samples=4, count=20)
    return {
        "first": first,
        "again": len(memory()) - first,
        "coverage": [len(coverage), min(share for _, share in coverage)],
        "undisturbed": scene.frame_current == 5 and len(bpy.data.objects) == objects,
        "names": [item.name for item in scene.worldfm.memory],
        "cameras": len(bpy.data.cameras),
    }


def again() -> dict[str, Any]:
    """A captured frame takes the place of its old picture; a photo's can't be."""
    scene = fresh()
    scene.camera.animation_data_clear()
    bpy.ops.worldfm.capture_memory(source="CAMERA", samples=4)
    before = memory()[0]
    scene.objects["Ball"].location.z += 0.4
    bpy.ops.worldfm.recapture(samples=4)
    after = memory()
    return {
        "count": len(after),
        "changed": after[0].id != before.id,
        "same camera": bool(np.allclose(after[0].camera.c2w, before.camera.c2w, atol=1e-5)),
        "same lens": bool(np.allclose(after[0].camera.K, before.camera.K, rtol=1e-4)),
        "name": scene.worldfm.memory[0].name,
    }


def parallel() -> dict[str, Any]:
    """An orthographic camera is captured as one."""
    scene = fresh()
    scene.camera.animation_data_clear()
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 6.0
    bpy.ops.worldfm.capture_memory(source="CAMERA", samples=4)
    frame = memory()[0]
    return {"kind": frame.camera.projection, "near": float(np.nanmin(frame.depth))}


def told() -> list[str]:
    """What is said where another Blender renders, and is looked at many times for each picture."""
    fresh()
    module, said = extension.part("operators.memory"), []
    step, here = module.Step, module.capture_here

    def noted(text: str, fraction: float | None = None) -> Any:
        said.append(text)
        return step(text, fraction)

    def waited_for(*given: Any) -> Any:
        for picture in here(*given):
            yield from (None, None, picture)

    module.Step, module.capture_here = noted, waited_for
    try:
        bpy.ops.worldfm.capture_memory(frames="1, 2", samples=1, percentage=20)
    finally:
        module.Step, module.capture_here = step, here
    return list(dict.fromkeys(said))


extension.run_all(still, layers, gaps, again, parallel, told)
