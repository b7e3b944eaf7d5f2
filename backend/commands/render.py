# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm render`: the frames of a camera path, without Blender."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..shared.camera import Camera
from ..shared.camera_path import read_camera_path
from ..shared.errors import InputError
from ..shared.frame import FrameReply, FrameRequest
from ..shared.world import World
from ..shared.world_folder import world_hash
from .options import Threads, counted, make_folder, parse_size, progress_bar

app = typer.Typer(add_completion=False)

PASSES = {
    "combined": "{:04d}.png",
    "depth": "{:04d}.depth.exr",
    "anchor": "{:04d}.anchor.png",
    "coverage": "{:04d}.coverage.png",
}
"""File of each pass; the number is the frame's place in the camera path."""


@app.command()
def render(
    world: Annotated[Path, typer.Argument(help="A world's folder, or the reference's meta.json.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the frames.")],
    cameras: Annotated[
        Path | None, typer.Option(help="Camera path (JSON); meta.json brings its own.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name or folder of a model.")] = "embedded",
    steps: Annotated[
        int | None, typer.Option(help="Sampler steps; the model's own number if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of what is invented.")] = 0,
    size: Annotated[
        str | None, typer.Option(help="WxH; the horizontal field of view is kept.")
    ] = None,
    passes: Annotated[str, typer.Option(help="Of combined,depth,anchor,coverage.")] = "combined",
    references: Annotated[int, typer.Option(min=0, help="Most memory frames to look at.")] = 4,
    video: Annotated[bool, typer.Option("--video", help="Write video.mp4 too.")] = False,
    fps: Annotated[int, typer.Option(min=1, help="Frames a second of the video.")] = 24,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    threads: Threads = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Render every camera of a path.

    Frames that are already there, made from the same world, camera, model and seed, are kept: a
    render that was stopped goes on where it stopped.
    """
    chosen = _passes(passes, video)
    wanted = None if size is None else parse_size(size)
    _check_source(world, cameras)
    path = None if cameras is None else read_camera_path(cameras)
    from ..serving.loading import ModelChoice, open_pipeline

    pipeline = open_pipeline(ModelChoice(model, device))
    steps = pipeline.default_steps if steps is None else steps
    pipeline.check_steps(steps)
    make_folder(output)
    scene, path = _load(world, path)
    if wanted is not None:
        path = [refit(camera, *wanted) for camera in path]
    requests = [FrameRequest(camera, steps, seed, references) for camera in path]
    frames = _render_all(pipeline, scene, requests, output, chosen)
    if video:
        from ..frame_files import write_film

        names = [output / PASSES["combined"].format(i) for i in range(len(requests))]
        write_film(output / "video.mp4", names, fps)
    _report(frames, output, as_json)


def _passes(text: str, video: bool) -> list[str]:
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in PASSES]
    if unknown or not chosen:
        raise InputError(
            f"--passes takes some of {','.join(PASSES)}, not '{(unknown or [text])[0]}'."
        )
    if video and "combined" not in chosen:
        raise InputError("--video is made of the combined pass; add it to --passes.")
    return list(dict.fromkeys(chosen))


def refit(camera: Camera, width: int, height: int) -> Camera:
    """The camera at another size with square pixels as before: what it sees from left to right
    stays, above and below it sees more or less."""
    scale = width / camera.width
    K = np.diag([scale, scale, 1.0]) @ camera.K
    K[1, 2] += 0.5 * (height - scale * camera.height)
    return replace(camera, K=K, width=width, height=height)


def _is_meta(source: Path) -> bool:
    return source.suffix.lower() == ".json" and not source.is_dir()


def _check_source(source: Path, cameras: Path | None) -> None:
    """Raises InputError for what can't be rendered, before the model is loaded for it."""
    if not source.exists():
        raise InputError(f"'{source}' does not exist; name a world's folder or a meta.json.")
    if cameras is None and not _is_meta(source):
        raise InputError("Which views to render is not said; name a camera path with --cameras.")


def _load(source: Path, path: list[Camera] | None) -> tuple[World, list[Camera]]:
    from ..shared.world_folder import load_world

    if _is_meta(source):
        from ..world.importers.meta import read_meta
        from ..world.importers.photo import world_from_photo

        given = read_meta(source)
        made = world_from_photo(given.image, given.photo.position[2], given.photo)
        return made.world, given.path if path is None else path
    return load_world(source), path or []


def _render_all(
    pipeline: Any, world: World, requests: Sequence[FrameRequest], output: Path, passes: list[str]
) -> list[dict[str, Any]]:
    """Renders what is not there yet; what was done for each frame, in order."""
    from ..frame_files import read_metadata

    # what is turned off shows in no frame
    shown = world_hash(replace(world, memory=[frame for frame in world.memory if frame.enabled]))
    prepared = None
    done = []
    with progress_bar() as bar:
        for i, request in bar.track(enumerate(requests), len(requests), description="Rendering"):
            metadata = {
                **request.metadata(pipeline.name, pipeline.hash, world.revision),
                "world": shown,
                "camera": json.dumps(request.camera.to_json()),
            }
            files = {name: output / PASSES[name].format(i) for name in passes}
            name = str(next(iter(files.values())))
            if all(read_metadata(file) == metadata for file in files.values()):
                done.append({"file": name, "kept": True})
                continue
            if prepared is None:
                prepared = pipeline.prepare(world)
            reply = pipeline.render(prepared, request)
            _save(reply, files, metadata)
            done.append({"file": name, "ms": reply.timings})
    return done


def _with_alpha(reply: FrameReply) -> np.ndarray:
    """(H, W, 3) uint8, or (H, W, 4) where the film is transparent."""
    if reply.alpha is None:
        return reply.rgb
    alpha = np.rint(255 * reply.alpha.astype(np.float32).clip(0, 1)).astype(np.uint8)
    return np.dstack([reply.rgb, alpha])


def _save(reply: FrameReply, files: dict[str, Path], metadata: dict[str, str]) -> None:
    from ..frame_files import write_depth_exr, write_png

    if "depth" in files:
        write_depth_exr(files["depth"], reply.depth, metadata)
    if "coverage" in files:
        coverage = np.rint(reply.coverage * 255).astype(np.uint8)
        write_png(files["coverage"], coverage, metadata)
    if "anchor" in files:
        write_png(files["anchor"], reply.anchor_rgb, metadata)
    if "combined" in files:
        write_png(files["combined"], _with_alpha(reply), metadata)


def _report(frames: list[dict[str, Any]], output: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"output": str(output), "frames": frames}))
        return
    made = [frame["ms"] for frame in frames if "ms" in frame]
    kept = len(frames) - len(made)
    print(f"{counted(len(made), 'frame')} rendered and {kept} kept in {output}")
    if made:
        stages = ", ".join(
            f"{stage} {sum(ms[stage] for ms in made) / len(made):.0f}" for stage in made[0]
        )
        print(f"Milliseconds a frame: {stages}")
