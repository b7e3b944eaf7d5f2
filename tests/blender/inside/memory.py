# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames in the .blend: captured, added, saved, undone, appended, removed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes
from extension import memory_frames, refused

FOLDER = Path(sys.argv[1])


def settings_of(scene: bpy.types.Scene) -> list[object]:
    """What of a scene a capture might disturb."""
    render = scene.render
    image = render.image_settings
    return [
        render.engine, render.filepath, render.resolution_percentage, render.use_border,
        image.file_format, scene.frame_current, scene.camera.name, len(bpy.data.scenes),
        [layer.use_pass_z for layer in scene.view_layers], len(bpy.data.objects),
    ]  # fmt: skip


def same(one: list[Any], other: list[Any]) -> bool:
    """Whether both hold the same pictures, depths and cameras, bit for bit."""
    return len(one) == len(other) and all(
        a.id == b.id
        and a.picture.dtype == b.picture.dtype
        and np.array_equal(a.picture, b.picture)
        and np.array_equal(a.depth, b.depth)
        and np.array_equal(a.camera.c2w, b.camera.c2w)
        for a, b in zip(one, other, strict=True)
    )


def through_a_lamp(scene: bpy.types.Scene) -> list[float]:
    """Metres to the ball below, and how far off the camera is, where a lamp is the camera."""
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    scene.collection.objects.link(lamp)
    lamp.location = (0, 0, 7)
    usual, scene.camera = scene.camera, lamp
    bpy.context.view_layer.update()
    bpy.ops.worldfm.capture_memory(frames="3", samples=4)
    made = memory_frames()[-1]
    camera = extension.part("scene_sync.cameras").render_camera(lamp, scene, False)
    off = max(np.abs(made.camera.K - camera.K).max(), np.abs(made.camera.c2w - camera.c2w).max())
    scene.camera = usual
    scene.worldfm.memory_index = len(scene.worldfm.memory) - 1
    bpy.ops.worldfm.remove_memory()
    bpy.data.objects.remove(lamp)
    return [float(made.depth[20:28, 28:36].min()), float(off)]


def captured() -> dict[str, Any]:
    """Capturing keeps the user's settings, follows the camera and never stores twice."""
    scene = scenes.small_world()
    scene.render.use_border, scene.render.border_max_x = True, 0.5
    glow = bpy.data.materials.new("Glow")
    glow.use_nodes = True
    glow.node_tree.nodes["Principled BSDF"].inputs["Emission Strength"].default_value = 5
    scene.objects["Ball"].active_material = glow
    scene.frame_set(2)
    before = settings_of(scene)
    bpy.ops.worldfm.capture_memory(frames="1, 3", samples=4)
    found: dict[str, Any] = {"undisturbed": settings_of(scene) == before}
    bpy.ops.worldfm.capture_memory(frames="1", samples=4)
    made = memory_frames()
    found["count"] = len(made)
    found["size"] = list(made[0].rgb.shape)
    preview = scene.worldfm.memory[0].colour.preview
    found["thumbnail"] = [*preview.image_size, round(float(preview.image_pixels_float[1]), 2)]
    found["icon"] = [*preview.icon_size, round(float(preview.icon_pixels_float[1]), 2)]
    found["halves"] = [str(made[0].radiance.dtype), float(made[0].radiance.max())]
    found["corner"] = round(float(made[0].rgb[-1, 0, 1]) / 255, 2)
    scene.frame_set(3)
    camera = extension.part("scene_sync.cameras").render_camera(scene.camera, scene, False)
    found["camera"] = float(np.abs(made[1].camera.c2w - camera.c2w).max())
    # the ball's nearest point is in the middle of the picture
    middle = made[0].depth[20:28, 28:36]
    found["ball"] = float(middle.min())
    found["sky"] = float(np.isinf(made[0].depth[0]).mean())
    found["bad frames"] = refused(bpy.ops.worldfm.capture_memory, frames="one, 2")
    found["through a lamp"] = through_a_lamp(scene)
    scene.camera.data.type = "PANO"
    found["bad camera"] = refused(bpy.ops.worldfm.capture_memory, frames="1")
    found["after errors"] = (
        settings_of(scene)[:-2] == [*before[:5], 3, *before[6:-2]] and len(bpy.data.scenes) == 1
    )
    scene.camera.data.type = "PERSP"
    scene.render.use_border = False
    return found


def added() -> dict[str, Any]:
    """A picture file belongs to the camera; its depth is the scene's."""
    scene = bpy.context.scene
    scene.frame_set(1)
    (FOLDER / "photo.png").write_bytes(
        extension.part("scene_sync.memory").encode_png(
            np.linspace(0, 255, 96 * 128 * 3).reshape(96, 128, 3).astype(np.uint8)
        )
    )
    bpy.ops.worldfm.add_memory_image(filepath=str(FOLDER / "photo.png"))
    rendered, photo = memory_frames()[0], memory_frames()[-1]
    both = np.isfinite(photo.depth[1::2, 1::2]) & np.isfinite(rendered.depth)
    off = np.abs(photo.depth[1::2, 1::2] / rendered.depth - 1)[both]
    return {
        "name": photo.name,
        "size": list(photo.rgb.shape),
        "first": photo.rgb[0, 0].tolist(),
        "last": photo.rgb[-1, -1].tolist(),
        "depth_off": float(np.median(off)),
        "surfaces": float(both.mean()),
        "left_images": [i.name for i in bpy.data.images if "photo" in i.name],
    }


def kept() -> dict[str, Any]:
    """Saving, loading, undo and appending keep every frame."""
    before = memory_frames()
    file = FOLDER / "kept.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    bpy.ops.wm.open_mainfile(filepath=str(file))
    found: dict[str, Any] = {"loaded": same(before, memory_frames())}
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.worldfm.remove_memory(every=True)
    bpy.ops.ed.undo_push(message="removed")
    found["removed"] = len(bpy.context.scene.worldfm.memory)
    bpy.ops.ed.undo()
    extension.part("scene_sync.memory").forget_frames()
    found["undone"] = same(before, memory_frames())
    bpy.context.scene.worldfm.memory[0].enabled = False
    found["enabled"] = len(memory_frames())
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    with bpy.data.libraries.load(str(file)) as (source, target):
        target.scenes = list(source.scenes)
    extension.part("scene_sync.memory").forget_frames()
    appended = extension.part("scene_sync.memory").read_frames(target.scenes[0])
    found["appended"] = not appended[1] and same(before, appended[0])
    item = target.scenes[0].worldfm.memory[0]
    extension.part("scene_sync.memory").forget_frames()
    item.radiance.unpack(method="REMOVE")
    found["damaged"] = extension.part("scene_sync.memory").read_frames(target.scenes[0])[1]
    return found


extension.run_all(captured, added, kept)
