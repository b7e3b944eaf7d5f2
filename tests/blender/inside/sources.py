# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from other sources, and where they are kept: `sources.py FOLDER`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
from extension import refused

FOLDER = Path(sys.argv[1])


def scene_world() -> Any:
    """What a frame would be made from now, read afresh."""
    extension.part("scene_sync.memory").forget_frames()
    source = extension.part("scene_sync.world")
    copy = extension.scene_copy()
    assert not copy.warnings, copy.warnings
    return source.WorldBuilder().build(copy)


def summary() -> dict[str, Any]:
    """Points and memory of the world that was made in an empty file."""
    world = scene_world()
    return {
        "points": len(world.anchors),
        "low": float(np.percentile(world.anchors.xyz[:, 2], 2)),
        "memory": [list(frame.rgb.shape) for frame in world.memory],
    }


def sources(found: dict[str, Any]) -> None:
    """One operator a source; each begins in an empty file."""
    bpy.ops.worldfm.world_from_panorama(
        filepath=str(FOLDER / "room.png"), camera_height=1.4, depth="embedded"
    )
    found["panorama"] = summary()
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.worldfm.world_from_capture(directory=str(FOLDER / "capture"), depth="embedded")
    found["capture"] = summary()
    found["capture notes"] = extension.part("scene_sync.trust").shown_notes(bpy.context)
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.worldfm.world_from_meta(filepath=str(FOLDER / "meta" / "meta.json"), depth="embedded")
    found["meta"] = summary()
    scene = bpy.context.scene
    scene.frame_set(2)
    camera = scene.camera
    found["meta_path"] = [camera.name, list(camera.matrix_world.translation)]
    bpy.ops.wm.read_homefile(use_empty=True)
    for name in ("panorama", "capture", "meta"):
        operator = getattr(bpy.ops.worldfm, f"world_from_{name}")
        key = "directory" if name == "capture" else "filepath"
        found[f"no {name}"] = refused(operator, **{key: str(FOLDER / "nothing")})
    found["nothing left"] = len(bpy.data.objects) + len(bpy.context.scene.worldfm.memory)


def select_points() -> bpy.types.Object:
    ob = next(o for o in bpy.context.scene.objects if o.name.endswith("Points"))
    bpy.context.view_layer.objects.active = ob
    return ob


def folders(found: dict[str, Any]) -> None:
    """Into a folder beside the file, saved, loaded, copied, lost, found, and back."""
    opened = bpy.ops.worldfm.open_world
    found["unsaved"] = refused(opened, directory=str(FOLDER / "large"), in_folder=True)
    opened(directory=str(FOLDER / "large"))
    select_points()
    found["unsaved move"] = refused(bpy.ops.worldfm.world_to_folder)
    before = scene_world()
    place = FOLDER / "place"
    place.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "scene.blend"))
    inside = (place / "scene.blend").stat().st_size
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.worldfm.world_to_folder()
    bpy.ops.ed.undo_push(message="moved")
    found["moved"] = scene_world().revision == before.revision
    bpy.ops.ed.undo()
    found["undone"] = [
        scene_world().revision == before.revision,
        len(select_points().data.vertices),
    ]
    bpy.ops.ed.redo()
    ob = select_points()
    found["listed"] = ob["worldfm_folder"]
    found["preview"] = len(ob.data.vertices)
    found["images"] = sum(
        len(image.packed_file.data) for image in bpy.data.images if image.packed_file
    )
    bpy.ops.wm.save_mainfile()
    found["smaller"] = (place / "scene.blend").stat().st_size / inside
    bpy.ops.wm.open_mainfile(filepath=str(place / "scene.blend"))
    found["loaded"] = scene_world().revision == before.revision
    other = FOLDER / "other"
    place.rename(other)
    bpy.ops.wm.open_mainfile(filepath=str(other / "scene.blend"))
    found["copied"] = scene_world().revision == before.revision
    found["elsewhere"] = saved_elsewhere(before.revision)
    bpy.ops.wm.open_mainfile(filepath=str(other / "scene.blend"))
    lost(found, other, before.revision)


def saved_elsewhere(revision: int) -> dict[str, Any]:
    """A copy in another folder, a save that fails, Save As: every file finds its world."""
    listed = select_points()["worldfm_folder"]
    far = FOLDER / "far" / "away"
    far.mkdir(parents=True)
    save = bpy.ops.wm.save_as_mainfile
    found: dict[str, Any] = {}

    def here(name: str) -> None:
        frames = {item.folder for item in bpy.context.scene.worldfm.memory if item.folder}
        now = select_points()["worldfm_folder"]
        found[name] = [now == listed, frames == {now}, scene_world().revision == revision]

    save(filepath=str(far / "copy.blend"), copy=True)
    here("after a copy")
    found["refused"] = refused(save, filepath=str(far / "no such folder" / "scene.blend"))
    here("after a failure")
    save(filepath=str(far / "scene.blend"))
    here("after Save As")
    found["relative"] = select_points()["worldfm_folder"].startswith("//")
    for name in ("copy", "scene"):
        bpy.ops.wm.open_mainfile(filepath=str(far / f"{name}.blend"))
        here(f"{name} loaded")
    return found


def lost(found: dict[str, Any], other: Path, revision: int) -> None:
    """The folder is gone; it is found elsewhere, and brought into the file."""
    ob = select_points()
    folder = Path(bpy.path.abspath(ob["worldfm_folder"]))
    elsewhere = FOLDER / "elsewhere" / folder.name
    elsewhere.parent.mkdir()
    folder.rename(elsewhere)
    listed = ob["worldfm_folder"]
    for name, value in (("missing", listed), ("too long", "a" * 5000)):
        ob["worldfm_folder"] = value
        try:
            scene_world()
        except Exception as error:
            found[name] = [type(error).__name__, str(error)]
    ob["worldfm_folder"] = listed
    find = bpy.ops.worldfm.find_world_folder
    found["another"] = refused(find, directory=str(FOLDER / "large"))
    told: list[str] = []

    def note(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
        told.extend(u.id.name for u in depsgraph.updates if u.is_updated_geometry)

    bpy.context.view_layer.update()
    bpy.app.handlers.depsgraph_update_post.append(note)
    find(directory=str(elsewhere))
    bpy.context.view_layer.update()
    bpy.app.handlers.depsgraph_update_post.remove(note)
    found["told"] = bool(told)
    found["found"] = scene_world().revision == revision
    bpy.ops.worldfm.world_to_file()
    shutil.rmtree(elsewhere)
    found["back"] = scene_world().revision == revision
    found["twice"] = refused(bpy.ops.worldfm.world_to_file)
    bpy.ops.worldfm.open_world(directory=str(FOLDER / "large"), in_folder=True)
    found["opened"] = sorted(p.name.rsplit(" ", 1)[0] for p in (other / "scene worlds").iterdir())
    (damaged,) = (other / "scene worlds").glob("*/anchors.safetensors")
    damaged.write_bytes(damaged.read_bytes()[:1000])
    try:
        scene_world()
    except Exception as error:
        found["damaged"] = [type(error).__name__, str(error)]


def main() -> dict[str, Any]:
    bpy.ops.wm.read_homefile(use_empty=True)
    found: dict[str, Any] = {}
    sources(found)
    folders(found)
    return found


extension.run(main)
