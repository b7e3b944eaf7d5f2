# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders through the engine as a farm does: `renders.py PART FOLDER`."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes

FOLDER = Path(sys.argv[2])


def output(kind: str, name: str) -> Path:
    """Have the scene write `kind` into a folder of FOLDER; gives the folder."""
    render = bpy.context.scene.render
    image = render.image_settings
    if hasattr(image, "media_type"):
        media = {"PNG": "IMAGE", "FFMPEG": "VIDEO"}.get(kind, "MULTI_LAYER_IMAGE")
        image.media_type = media
    image.file_format = kind
    if kind == "OPEN_EXR_MULTILAYER":
        image.color_depth, image.exr_codec = "32", "NONE"
        if hasattr(image, "use_exr_interleave"):
            image.use_exr_interleave = True
    folder = FOLDER / name
    render.filepath = f"{folder}{os.sep}"
    return folder


def pixels_of(path: Path) -> np.ndarray:
    """(H, W, 4) of an image file, row 0 at the bottom."""
    image = bpy.data.images.load(str(path))
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    bpy.data.images.remove(image)
    return flat.reshape(height, width, 4)


def prints(folder: Path) -> dict[str, str]:
    """A hash of the pixels of every picture in a folder."""
    return {
        path.name: hashlib.sha256(pixels_of(path).tobytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def passes() -> dict[str, Any]:
    """An animation as multilayer EXR: its channels, values and what it says of itself."""
    scene = scenes.small_world()
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.worldfm.use_pass_anchor = layer.worldfm.use_pass_coverage = True
    scene.worldfm.seed = 7
    second = scene.view_layers.new("Second")
    second.use_pass_z = False
    folder = output("OPEN_EXR_MULTILAYER", "exr")
    final, told = extension.part("final_render"), []
    usual = final.render

    class Told:
        """An engine that notes what it is to say."""

        def __init__(self, engine: Any) -> None:
            self.engine = engine

        def __getattr__(self, name: str) -> Any:
            return getattr(self.engine, name)

        def update_stats(self, stats: str, info: str) -> None:
            told.append(info)

    final.render = lambda engine, depsgraph: usual(Told(engine), depsgraph)
    bpy.ops.render.render(animation=True)
    final.render = usual
    files = sorted(p.name for p in folder.iterdir())
    first = folder / files[0]
    channels = extension.part("scene_sync.exr").read_exr(first)
    depth = channels["ViewLayer.Depth.Z"]
    head = first.read_bytes()[:4000]
    said = [k for k in ("seed", "steps", "model", "model_hash", "world_revision")
            if f"worldfm.{k}\0string\0".encode() in head]  # fmt: skip
    combined = channels["ViewLayer.Combined.R"]
    return {
        "files": files,
        "shape": list(combined.shape),
        "channels": sorted(channels),
        "nearest": float(depth.min()),
        "sky_above": float((depth[0] == 1e10).mean()),
        "floor_below": float((depth[-1] < 100).mean()),
        "varied": float(combined.std()),
        "anchor_seen": float(channels["ViewLayer.Anchor.A"].mean()),
        "coverage": [float(channels["ViewLayer.Coverage.X"].min()),
                     float(channels["ViewLayer.Coverage.X"].max())],
        "said": said,
        "told": told,
    }  # fmt: skip


def order() -> dict[str, Any]:
    """The same frames as an animation, and as stills backwards in a fresh backend."""
    scene = scenes.small_world()
    bpy.ops.worldfm.capture_memory(frames="1, 3", samples=4)
    folder = output("PNG", "forwards")
    bpy.ops.render.render(animation=True)
    forwards = prints(folder)
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "saved.blend"))
    bpy.ops.worldfm.backend_stop()
    bpy.ops.wm.open_mainfile(filepath=str(FOLDER / "saved.blend"))
    scene = bpy.context.scene
    folder = output("PNG", "backwards")
    for frame in (3, 2, 1):
        scene.frame_set(frame)
        scene.render.filepath = str(folder / f"{frame:04d}.png")
        bpy.ops.render.render(write_still=True)
    scene.worldfm.seed = 8
    scene.render.filepath = str(FOLDER / "seed" / "0001.png")
    bpy.ops.render.render(write_still=True)
    return {
        "forwards": forwards,
        "backwards": prints(folder),
        "other_seed": prints(FOLDER / "seed")["0001.png"],
        "memory": len(scene.worldfm.memory),
    }


def backend_pids() -> list[int]:
    """Backend processes that this process started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError, ValueError):
            continue
        if parent == os.getpid() and b"serve" in command:
            found.append(int(entry.name))
    return found


def killed() -> dict[str, Any]:
    """The backend is killed while an animation renders: no frame is lost."""
    scenes.small_world(frames=6)
    killed: list[int] = []

    def kill(scene: bpy.types.Scene, _: object = None) -> None:
        if scene.frame_current in {2, 4}:
            for pid in backend_pids():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    bpy.app.handlers.render_post.append(kill)
    folder = output("PNG", "killed")
    bpy.ops.render.render(animation=True)
    bpy.app.handlers.render_post.remove(kill)
    return {"files": sorted(prints(folder)), "killed": len(set(killed))}


def keeping() -> dict[str, Any]:
    """What is still in memory of an animation's frames once it is rendered."""
    scenes.small_world(frames=4)
    output("PNG", "keeping")
    bpy.ops.render.render(animation=True)
    gc.collect()
    reply = extension.part("backend.shared.frame").FrameReply
    kept = [one for one in gc.get_objects() if isinstance(one, reply)]
    return {"kept": len(kept), "notes": len(extension.part("history")._notes)}


def framing() -> dict[str, Any]:
    """Border with and without crop, percentage, odd sizes; a film as FFmpeg."""
    scene = scenes.small_world(size=(90, 50))
    render = scene.render
    found: dict[str, Any] = {}

    def still(name: str) -> list[int]:
        output("PNG", name)
        render.filepath = str(FOLDER / f"{name}.png")
        bpy.ops.render.render(write_still=True)
        return list(pixels_of(FOLDER / f"{name}.png").shape[1::-1])

    found["whole"] = still("whole")
    render.resolution_percentage = 50
    found["half"] = still("half")
    render.resolution_percentage = 100
    render.use_border, render.use_crop_to_border = True, True
    render.border_min_x, render.border_max_x = 0.2, 0.8
    render.border_min_y, render.border_max_y = 0.0, 0.5
    found["crop"] = still("crop")
    render.use_crop_to_border = False
    found["border"] = still("border")
    picture = pixels_of(FOLDER / "border.png")
    found["outside"] = float(picture[30:].max())
    found["inside"] = float(picture[:24, 20:70, :3].mean())
    render.use_border = False
    folder = output("FFMPEG", "film")
    render.resolution_x, render.resolution_y = 64, 48
    bpy.ops.render.render(animation=True)
    found["film"] = sum(p.stat().st_size for p in folder.iterdir())
    return found


def shutter() -> dict[str, Any]:
    """A moving camera's motion blur, beside the mean of renders while its shutter is open."""
    return blur_beside_moments(scenes.small_world(size=(96, 72)))


def movers() -> dict[str, Any]:
    """The same before a camera that stands still, of a ball that goes, one that is stretched by a
    shape key, and one whose object says that nothing of it is blurred."""
    scene = scenes.small_world(size=(96, 72))
    scene.camera.animation_data_clear()
    bpy.data.lights["Sun"].use_shadow = False  # shadows of what moves stay sharp
    ball = bpy.data.objects["Ball"]
    ball.scale = (0.4, 0.4, 0.4)
    for frame, y in ((1, -0.25), (3, 0.25)):
        ball.location = (1.2, y, 0.2)
        ball.keyframe_insert("location", frame=frame)
    bent = ball.copy()
    bent.data = ball.data.copy()
    bent.animation_data_clear()
    bent.location = (-1.2, 0.5, 0.0)
    scene.collection.objects.link(bent)
    bent.shape_key_add(name="Basis")
    tall = bent.shape_key_add(name="Tall")
    for point in tall.data:
        point.co.z *= 1.4
    for frame in (1, 3):
        tall.value = (frame - 1) / 2
        tall.keyframe_insert("value", frame=frame)
    found = blur_beside_moments(scene)
    found["moves"] = sorted(one.key for one in moves_of(scene))
    with_cycles = hasattr(ball, "cycles")
    if with_cycles:
        ball.cycles.use_motion_blur = False
    found["left"] = sorted(one.key for one in moves_of(scene)) if with_cycles else ["Ball.001"]
    return found


def moves_of(scene: bpy.types.Scene) -> tuple[Any, ...]:
    """Those of the last render's request."""
    bpy.ops.render.render()
    return extension.part("runtime").latest_frame().request.moves


def blur_beside_moments(scene: bpy.types.Scene) -> dict[str, Any]:
    """How far renders with and without motion blur are from the mean of moments."""
    render = scene.render
    output("PNG", "moments")
    render.dither_intensity = 0
    scene.view_settings.view_transform = "Raw"  # light adds up, displayed values don't

    def still(name: str, frame: float = 2.0) -> np.ndarray:
        scene.frame_set(int(frame), subframe=frame % 1)
        render.filepath = str(FOLDER / f"{name}.png")
        bpy.ops.render.render(write_still=True)
        return pixels_of(FOLDER / f"{name}.png")[..., :3]

    moments = [still("moment", 2 + at) for at in np.linspace(-0.4, 0.4, 13)]
    sharp, truth = still("sharp"), np.mean(moments, axis=0)
    render.use_motion_blur, render.motion_blur_shutter = True, 0.8
    blurred = still("blurred")
    return {
        "sharp": float(np.abs(sharp - truth).mean()),
        "blurred": float(np.abs(blurred - truth).mean()),
        "frame": [scene.frame_current, scene.frame_subframe],
    }


def refused(**changes: Any) -> str:
    """What rendering says when it cannot."""
    try:
        bpy.ops.render.render(**changes)
    except RuntimeError as error:
        return str(error).removeprefix("Error: ").strip()
    return ""


def faults() -> dict[str, Any]:
    """Every bad input gets a sentence, stills and multilayer animations alike."""
    scene = scenes.small_world()
    folder = output("OPEN_EXR_MULTILAYER", "faults")
    found: dict[str, Any] = {}

    def both(name: str) -> None:
        found[name] = [refused(write_still=True), refused(animation=True)]

    unfit_cameras(scene, both)
    unfit_sizes(scene, both)
    unfit_models(scene, both)
    no_backend(both)
    nothing_to_see(scene, both)
    found |= unfit_pictures()
    found["recovered"] = [refused()]
    return {"found": found, "written": sorted(p.name for p in folder.glob("*"))}


def unfit_cameras(scene: bpy.types.Scene, both: Callable[[str], None]) -> None:
    camera = scene.camera
    camera.data.type = "PANO"
    both("panoramic")
    camera.data.type = "PERSP"
    camera.scale = (0, 0, 0)
    camera.keyframe_insert("scale", frame=1)
    both("flat camera")
    camera.scale = (1, 1, 1)
    camera.keyframe_insert("scale", frame=1)
    scene.render.use_multiview = True
    both("stereo")
    scene.render.use_multiview = False
    scene.camera = None
    both("no camera")
    scene.camera = camera


def unfit_sizes(scene: bpy.types.Scene, both: Callable[[str], None]) -> None:
    scene.render.resolution_x = 16384
    both("16k")
    scene.render.resolution_x, scene.render.resolution_percentage = 64, 1
    both("no pixels")
    scene.render.resolution_percentage = 100


def unfit_models(scene: bpy.types.Scene, both: Callable[[str], None]) -> None:
    scene.worldfm.model = str(FOLDER / "nothing here")
    both("wrong model")
    (FOLDER / "broken").mkdir()
    (FOLDER / "broken" / "config.json").write_text("{")
    scene.worldfm.model = str(FOLDER / "broken")
    both("broken model")
    scene.worldfm.model = "embedded"


def no_backend(both: Callable[[str], None]) -> None:
    preferences = extension.part("runtime").preferences()
    os.environ.pop("WORLDFM_PYTHON")
    bpy.ops.worldfm.backend_stop()
    both("not installed")
    preferences.python = "/no/such/python"
    both("no such python")
    preferences.python = "/bin/false"
    both("a python that is none")
    preferences.python = ""
    os.environ["WORLDFM_PYTHON"] = sys.argv[3]


def nothing_to_see(scene: bpy.types.Scene, both: Callable[[str], None]) -> None:
    for ob in scene.objects:
        ob.hide_render = ob.type == "MESH"
    both("nothing to see")
    for ob in scene.objects:
        ob.hide_render = False


def unfit_pictures() -> dict[str, list[str]]:
    """What adding a picture to memory says to files that are no such picture."""
    wrong, text = FOLDER / "wrong.png", FOLDER / "text.png"
    output("PNG", "wrong")
    bpy.data.images.new("Wrong", 30, 30).save_render(str(wrong))
    text.write_text("not a picture")
    said = {}
    files = {"missing": FOLDER / "absent.png", "unreadable": text, "other aspect": wrong}
    for name, path in files.items():
        try:
            bpy.ops.worldfm.add_memory_image(filepath=str(path))
            said[name] = [""]
        except RuntimeError as error:
            said[name] = [str(error)]
    return said


extension.run_one(passes, order, killed, keeping, framing, shutter, movers, faults)
