# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes read a little at a time, with accidents in the middle."""

from __future__ import annotations

from typing import Any

import bpy
import extension
import numpy as np
import scenes


def scene() -> None:
    """Six squares with pictures of their own, a memory frame and a camera."""
    scenes.empty()
    bpy.context.scene.worldfm.memory.clear()
    camera = scenes.add_camera((0, 0, 9))
    rng = np.random.default_rng(4)
    for number in range(6):
        look = scenes.textured(f"Picture {number}", rng.random((32, 32, 3)))
        scenes.add_square(f"Square {number}", 0.5, 0, look).location.x = 1.2 * number - 3
    seen = extension.part("scene_sync.cameras").render_camera(camera, bpy.context.scene)
    shape = (seen.height, seen.width)
    extension.part("scene_sync.memory").store_frame(
        bpy.context.scene, "Kept", seen, np.full((*shape, 3), 90, np.uint8), None
    )
    bpy.context.view_layer.update()


def nothing_kept() -> None:
    extension.part("scene_sync.textures").forget_textures()
    extension.part("scene_sync.memory").forget_frames()


def depsgraph() -> bpy.types.Depsgraph:
    return bpy.context.evaluated_depsgraph_get()


def in_slices(reader: Any) -> tuple[int, Any]:
    """How many slices of no length were needed, and what they read."""
    for number in range(100):
        copy = reader.read_more(depsgraph(), None, 0.0)
        if copy is not None:
            return number, copy
    raise AssertionError("a scene is never read to its end")


def world(copy: Any) -> Any:
    return extension.part("scene_sync.world").WorldBuilder().build(copy)


def same(one: Any, other: Any) -> bool:
    """Whether two worlds are alike to the byte."""
    pairs = [
        (getattr(one.anchors, name), getattr(other.anchors, name))
        for name in ("xyz", "rgb", "radius")
    ]
    pairs += [(a.rgb, b.rgb) for a, b in zip(one.memory, other.memory, strict=True)]
    return one.revision == other.revision and all(a.tobytes() == b.tobytes() for a, b in pairs)


def at_once() -> Any:
    nothing_kept()
    return world(extension.part("scene_sync.scene_reader").SceneReader().read(depsgraph(), None))


def whole() -> dict[str, Any]:
    scene()
    expected = at_once()
    nothing_kept()
    reader = extension.part("scene_sync.scene_reader").SceneReader()
    slices, copy = in_slices(reader)
    textures = extension.part("scene_sync.textures")
    before = textures.textures_kept()
    made = world(copy)
    return {
        "slices": slices,
        "same": same(made, expected),
        "points": len(made.anchors),
        "colours": len(np.unique(made.anchors.rgb, axis=0)),
        "read_later": textures.textures_kept() - before,
        "then_at_hand": reader.read_more(depsgraph(), None, 0.0) is not None,
    }


def half_read() -> Any:
    scene()
    nothing_kept()
    reader = extension.part("scene_sync.scene_reader").SceneReader()
    for _ in range(4):
        assert reader.read_more(depsgraph(), None, 0.0) is None
    return reader


def changed() -> dict[str, bool]:
    """A mesh that was read already is edited, a picture repainted, an object moved."""
    reader = half_read()
    old = at_once()
    reader = half_read()
    square = bpy.data.objects["Square 0"]
    square.data.vertices[0].co.z = 0.4
    square.data.update_tag()
    bpy.data.objects["Square 5"].location.y = 1
    image = bpy.data.objects["Square 1"].active_material.node_tree.nodes["Image Texture"].image
    image.pixels.foreach_set(np.full(32 * 32 * 4, 0.25, np.float32))
    bpy.context.view_layer.update()
    extension.part("scene_sync.textures").forget_textures({image.name_full})
    reader.forget({square.session_uid})
    reader.forget_looks()
    in_slices(reader)  # the round that was under way
    made = world(in_slices(reader)[1])
    return {"same": same(made, at_once()), "other": made.revision != old.revision}


def deleted() -> dict[str, bool]:
    """Objects, read ones and others, go with their meshes, materials and pictures."""
    reader = half_read()
    for number in (0, 1, 5):
        ob = bpy.data.objects[f"Square {number}"]
        mesh, look = ob.data, ob.active_material
        image = look.node_tree.nodes["Image Texture"].image
        bpy.data.objects.remove(ob)
        bpy.data.meshes.remove(mesh)
        bpy.data.materials.remove(look)
        bpy.data.images.remove(image)
    made = world(in_slices(reader)[1])
    return {"same": same(made, at_once()), "right": float(made.anchors.xyz[:, 0].max()) < 2.5}


def damaged() -> dict[str, Any]:
    """A memory frame whose picture is gone does not keep the rest from being read."""
    scene()
    bpy.data.images.remove(bpy.context.scene.worldfm.memory[0].colour)
    nothing_kept()
    reader = extension.part("scene_sync.scene_reader").SceneReader()
    _, copy = in_slices(reader)
    return {"warnings": copy.warnings, "placed": len(copy.contents.sorted[0])}


extension.run_all(whole, changed, deleted, damaged)
