# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from elsewhere: `worlds.py FOLDER` with cloud.ply, world/ and project.fspy in it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
from extension import refused

FOLDER = Path(sys.argv[1])


def scene_anchors() -> Any:
    """The anchors a frame would be made from now."""
    source = extension.part("scene_sync.world")
    copy = extension.scene_copy()
    return source.WorldBuilder().build(copy)


def points_and_folders(found: dict[str, Any]) -> None:
    """A point cloud through the backend, moved, saved and loaded; a world's folder."""
    bpy.ops.worldfm.world_from_points(filepath=str(FOLDER / "cloud.ply"))
    ob = bpy.data.objects["cloud Points"]
    dots = extension.part("viewport.solid_points")
    found["drawn"] = [shown_dots(dots)]
    twin = ob.copy()
    twin.name, twin.data = "Twin", ob.data.copy()
    bpy.context.scene.collection.objects.link(twin)
    found["drawn"].append(shown_dots(dots))
    bpy.data.objects.remove(twin)
    found["drawn"].append(shown_dots(dots))
    first = scene_anchors()
    found["points"] = first.anchors.xyz.tolist()
    found["colours"] = first.anchors.rgb.tolist()
    found["dots"] = [part.tolist() for part in dots.drawn_points(ob.data)]
    dots.MOST = 20
    found["fewer dots"] = len(dots.drawn_points(ob.data)[0])
    ob.location.z = 2.0
    bpy.context.view_layer.update()
    moved = scene_anchors()
    found["moved"] = float((moved.anchors.xyz - first.anchors.xyz)[:, 2].mean())
    found["revision_changed"] = moved.revision != first.revision
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "saved.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(FOLDER / "saved.blend"))
    found["same_after_load"] = scene_anchors().revision == moved.revision
    bpy.ops.worldfm.open_world(directory=str(FOLDER / "world"))
    frame = extension.part("scene_sync.memory").read_frames(bpy.context.scene)[0][0]
    found["memory_mean"] = frame.rgb.reshape(-1, 3).mean(axis=0).tolist()
    found["memory_depth"] = float(frame.depth[0, 0])
    trust = extension.part("scene_sync.trust")
    found["trust"] = trust.shown_trust(bpy.context).sentences()
    found["damaged"] = refused(bpy.ops.worldfm.open_world, directory=str(FOLDER))
    found["no_ply"] = refused(bpy.ops.worldfm.world_from_points, filepath=str(FOLDER / "no.ply"))


def shown_dots(dots: Any) -> list[str]:
    """Names of the objects that a viewport would draw as dots now."""
    bpy.context.view_layer.update()
    return sorted(ob.name for ob in dots._worlds.of(bpy.context.view_layer))


def splats(found: dict[str, Any]) -> None:
    """Splats through the backend, turned with their object; Blender's own where it has such."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.unit_settings.scale_length = 0.5
    bpy.ops.worldfm.world_from_points(filepath=str(FOLDER / "splats.ply"))
    found["splats"] = told_of_splats()
    ob = bpy.data.objects["splats Points"]
    ob.rotation_euler.z, ob.scale = np.pi / 2, (2, 2, 2)
    bpy.context.view_layer.update()
    found["turned splats"] = told_of_splats()
    bpy.data.objects.remove(ob)
    bpy.ops.worldfm.world_from_points(filepath=str(FOLDER / "splats.ply"), colours="sh", degree=1)
    found["first degree"] = scene_anchors().anchors.harmonics.shape[1]
    bpy.data.objects.remove(bpy.context.scene.objects["splats Points"])
    found["mesh"] = refused(bpy.ops.worldfm.world_from_points, filepath=str(FOLDER / "mesh.ply"))
    found["native splats"] = None
    if bpy.app.version >= (5, 3):
        path = str(FOLDER / "splats.ply")
        bpy.ops.wm.ply_import(
            filepath=path, forward_axis="Z", up_axis="NEGATIVE_Y", global_scale=2.0
        )
        found["native splats"] = told_of_splats()


def told_of_splats() -> list[list[float]]:
    """Place, shape and harmonics of each splat of the scene, by its place."""
    anchors = scene_anchors().anchors
    harmonics = anchors.harmonics.reshape(len(anchors), -1)
    columns = [anchors.xyz, anchors.rgb, anchors.splats, harmonics]
    return sorted(np.concatenate(columns, axis=1).tolist())


def matches(found: dict[str, Any]) -> None:
    """fSpy and drawn lines; other cameras and the scene's size stay."""
    scene = bpy.context.scene
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    scene.collection.objects.link(other)
    scene.camera = other
    before = (other.data.lens, scene.render.resolution_x, scene.unit_settings.scale_length)
    bpy.ops.worldfm.import_fspy(filepath=str(FOLDER / "project.fspy"))
    ob = bpy.data.objects["project Camera"]
    part = extension.part("scene_sync.import_world")
    found["fspy"] = part.photo_camera(ob, 1.0).to_json()
    lines = json.loads((FOLDER / "lines.json").read_text())
    bpy.ops.worldfm.solve_match(camera=ob.name, lines=json.dumps(lines))
    found["solved"] = part.photo_camera(ob, 1.0).to_json()
    after = (other.data.lens, scene.render.resolution_x, scene.unit_settings.scale_length)
    found["untouched"] = before == after and scene.camera == other
    solve = bpy.ops.worldfm.solve_match
    found["unmatched"] = refused(solve, camera="Other")
    found["bad_lines"] = refused(solve, camera=ob.name, lines="[[0, 1]]")
    found["agreeing"] = agreeing_lines(ob, part)
    scene.camera = ob
    bpy.ops.worldfm.use_photo_size(longest="512")
    found["size"] = [scene.render.resolution_x, scene.render.resolution_y]


def agreeing_lines(ob: bpy.types.Object, part: Any) -> list[float]:
    """How much a camera changes that is solved by the lines it has before any was drawn."""
    camera = extension.part("backend.shared.camera")
    changes = []
    for place in ((3, -4, 1.6), (5, 2, 2.5), (-2, -3, 0.8), (-3, 4, 1.2)):
        K = camera.intrinsics(1.0, 300, 200)
        c2w = camera.look_at(np.array(place), np.array([0, 0.3, 1.0]))
        part.place_camera(ob, camera.Camera(K, c2w, 300, 200), 1.0)
        ob.data.pop("worldfm_lines", None)
        bpy.ops.worldfm.solve_match(camera=ob.name)
        solved = part.photo_camera(ob, 1.0)
        changes += [np.abs(solved.c2w - c2w).max(), np.abs(solved.K - K).max() / K[0, 0]]
    return [float(change) for change in changes]


def kept_frames(found: dict[str, Any]) -> None:
    """A frame half of which is new; kept twice; live image; baked."""
    runtime = extension.part("runtime")
    frame = extension.part("backend.shared.frame")
    camera = extension.part("backend.shared.camera")
    scene = bpy.context.scene
    c2w = camera.look_at(np.array([0.0, -4.0, -1.0]), np.array([0.0, 0.0, -1.0]))
    view = camera.Camera(camera.intrinsics(0.9, 64, 48), c2w, 64, 48)
    rgb = np.full((48, 64, 3), (200, 40, 90), np.uint8)
    known = np.full((48, 64), 4.0, np.float32)
    known[:, 40:] = 0
    request = frame.FrameRequest(view, seed=7)
    halves = extension.part("backend.shared.color").halves_of_bytes(rgb)
    coverage = (known > 0).astype(np.float32)
    reply = frame.FrameReply(halves, known, coverage, rgb, request, 1, "test", "0" * 12)
    scene.worldfm.memory.clear()
    runtime.note_frame(replace(reply, request=replace(request, aperture=0.1)))
    found["blurred"] = refused(bpy.ops.worldfm.keep_frame)
    runtime.note_frame(reply)
    bpy.ops.worldfm.keep_frame()
    found["kept"] = len(scene.worldfm.memory)
    new = bpy.data.objects["Kept 1 Points"]
    found["new_points"] = len(new.data.vertices)
    heights = np.array([v.co.y for v in new.data.vertices])
    found["new_depth"] = [float(heights.min()), float(heights.max())]
    bpy.ops.worldfm.keep_frame()
    found["kept_twice"] = len(scene.worldfm.memory)
    bpy.ops.worldfm.live_image()
    live = bpy.data.images["WorldFM Live"]
    found["live"] = [list(live.size), [round(v * 255) for v in live.pixels[0:3]]]
    bpy.ops.worldfm.live_image()
    bpy.ops.object.select_all(action="DESELECT")
    bpy.ops.mesh.primitive_plane_add(size=2, location=(0, 0, -1), rotation=(np.pi / 2, 0, 0))
    plane = bpy.context.object
    while plane.data.uv_layers:
        plane.data.uv_layers.remove(plane.data.uv_layers[0])
    plane.modifiers.new("Sub", "SUBSURF").subdivision_type = "SIMPLE"
    bpy.ops.worldfm.project_to_geometry(size=64)
    image = bpy.data.images[f"{plane.name} WorldFM"]
    pixels = np.array(image.pixels[:]).reshape(64, 64, 4)
    found["baked"] = (pixels[32, 32, :3] * 255).round().tolist()
    found["packed"] = image.packed_file is not None
    slots = [slot.material.name if slot.material else None for slot in plane.material_slots]
    used = {polygon.material_index for polygon in plane.data.polygons}
    # Blender adds attributes of its own, such as which edges are selected in the UV editor
    kept = [a.name for a in plane.data.attributes if a.name.startswith("WorldFM ")]
    found["materials"] = [slots, sorted(used), kept]
    found["unseen"] = bare_back(scene)


def bare_back(scene: bpy.types.Scene) -> list[int]:
    """sRGB of a texel that no memory frame sees, on a box of red base colour."""
    bpy.ops.object.select_all(action="DESELECT")
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=(0, 0, -0.5))
    box = bpy.context.object
    material = bpy.data.materials.new("Red")
    material.diffuse_color = (0.5, 0.0, 0.0, 1.0)  # without nodes; from Blender 5 on all have them
    nodes = material.node_tree.nodes if material.node_tree else ()
    for shader in (node for node in nodes if node.type == "BSDF_PRINCIPLED"):
        shader.inputs["Base Color"].default_value = (0.5, 0.0, 0.0, 1.0)
    box.data.materials.append(material)
    bpy.ops.worldfm.project_to_geometry(size=64)
    image = bpy.data.images.get(f"{box.name} WorldFM")
    if image is None:
        return []
    pixels = np.array(image.pixels[:]).reshape(64, 64, 4)[..., :3]
    red = (np.abs(pixels - (0.735, 0, 0)).max(axis=-1) < 0.01).sum()
    return [len(box.material_slots), int(red)]


def bent_photos(found: dict[str, Any]) -> None:
    """A photo that its lens bent: matched, and a world made with that camera."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    path = str(FOLDER / "bent.png")
    bpy.ops.worldfm.match_photo(filepath=path)
    matched = bpy.data.objects["bent Camera"]
    (background,) = matched.data.background_images
    found["bent"] = matched.data["worldfm_distortion"]
    found["bent_picture"] = [background.image.packed_file is not None, *background.image.size]
    bpy.ops.worldfm.world_from_photo(filepath=path, camera=matched.name, depth="embedded")
    part = extension.part("scene_sync.memory")
    frame = part.read_frame(scene.worldfm.memory[0])
    pixels = np.empty(4 * frame.rgb.shape[0] * frame.rgb.shape[1], np.float32)
    background.image.pixels.foreach_get(pixels)
    shown = pixels.reshape(*frame.rgb.shape[:2], 4)[::-1, :, :3] * 255
    found["bent_apart"] = float(np.abs(shown - frame.rgb).mean())
    blocks = [ob for ob in bpy.data.collections["bent"].objects if ob.name.startswith("Ground")]
    pictures = {ob.data.materials[0].node_tree.nodes[0].image.name for ob in blocks}
    found["bent_texture"] = sorted(pictures)
    matched.data["worldfm_distortion"] = "lie"
    lie = extension.part("scene_sync.import_world").photo_distortion(matched)
    found["bent_lie"] = lie


def photos(found: dict[str, Any]) -> None:
    """A photo through the embedded estimator: points, blockout, camera, memory."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.unit_settings.scale_length = 0.5
    bpy.ops.worldfm.world_from_photo(
        filepath=str(FOLDER / "room.png"), camera_height=1.2, depth="embedded"
    )
    objects = bpy.data.collections["room"].objects
    found["photo_objects"] = sorted(ob.name for ob in objects)
    found["photo_hidden"] = sorted(ob.name for ob in objects if ob.hide_render)
    part = extension.part("scene_sync.import_world")
    ob = bpy.data.objects["room Camera"]
    found["photo_camera"] = part.photo_camera(ob, 0.5).to_json()
    found["photo_place"] = list(ob.location)
    found["photo_memory"] = len(scene.worldfm.memory)
    found["photo_anchors"] = len(scene_anchors().anchors)
    found["photo_shown"] = shown(scene)
    mesh = bpy.data.objects["room Points"].data
    (edge,) = mesh.edges
    ends = [mesh.vertices[i].co for i in edge.vertices]
    found["photo_edge"] = (ends[0] - ends[1]).length * 0.5
    bpy.ops.worldfm.world_from_photo(
        filepath=str(FOLDER / "room.png"),
        camera=ob.name,
        camera_height=2.4,
        use_blockout=True,
        put_aside=False,
        show=False,
    )
    found["second_height"] = ob.location.z
    found["still_shown"] = shown(scene)
    found["no_photo"] = refused(bpy.ops.worldfm.world_from_photo, filepath=str(FOLDER / "x.png"))


def shown(scene: bpy.types.Scene) -> list[Any]:
    """What F12 makes."""
    render, camera = scene.render, scene.camera
    size = [render.resolution_x, render.resolution_y]
    return [render.engine, camera.name, *size, camera.data.show_background_images]


def aside(found: dict[str, Any]) -> None:
    """A photo in a scene that is in use; undone in one step, or brought back by a tick."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene, layer = bpy.context.scene, bpy.context.view_layer
    off = bpy.data.collections.new("Off")
    scene.collection.children.link(off)
    for name, home in (("Cube", scene.collection), ("Unused", off)):
        home.objects.link(bpy.data.objects.new(name, bpy.data.meshes.new(name)))
    layer.layer_collection.children["Off"].exclude = True
    bpy.ops.worldfm.open_world(directory=str(FOLDER / "world"))
    bpy.ops.ed.undo_push()
    before = in_scene()
    bpy.ops.worldfm.world_from_photo(
        "EXEC_DEFAULT", True, filepath=str(FOLDER / "room.png"), depth="embedded"
    )
    after = in_scene()
    layer = bpy.context.view_layer
    layer.layer_collection.children["Put Aside"].exclude = False
    back = in_scene()
    bpy.ops.ed.undo()
    found["aside"] = {"before": before, "after": after, "back": back, "undone": in_scene()}


def in_scene() -> dict[str, Any]:
    """What is seen, what is there, which memory frames are on, and how it is rendered."""
    scene = bpy.context.scene
    seen = sorted(ob.name for ob in bpy.context.view_layer.objects)
    return {
        "seen": [name for name in seen if "Mass" not in name],
        "objects": len(scene.objects),
        "memory": [item.enabled for item in scene.worldfm.memory],
        "render": [scene.render.engine, scene.render.resolution_x],
    }


def main() -> dict[str, Any]:
    bpy.ops.wm.read_homefile(use_empty=True)
    found: dict[str, Any] = {}
    points_and_folders(found)
    splats(found)
    bpy.ops.wm.read_homefile(use_empty=True)
    matches(found)
    kept_frames(found)
    bent_photos(found)
    photos(found)
    aside(found)
    return found


extension.run(main)
