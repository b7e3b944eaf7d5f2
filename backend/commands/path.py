# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm path`: camera paths written without Blender."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..shared.camera import Camera, intrinsics
from ..shared.camera_moves import orbit as orbit_cameras
from ..shared.camera_moves import through
from ..shared.camera_path import read_camera_path, write_camera_path
from ..shared.errors import InputError
from ..shared.reading import as_sentence, read_json
from .options import Overwrite, counted, parse_size, refuse_existing

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Write camera paths for 'worldfm render'. World axes: x and y level, z up, metres. A "
    "c2w's columns are the camera's right, down and forward, and its place.",
)

Output = Annotated[Path, typer.Option("-o", "--output", help="The camera path (JSON) to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]
Frames = Annotated[int, typer.Option(min=1, help="How many cameras.")]
Source = Annotated[
    Path,
    typer.Argument(
        help="A world, a data set with transforms.json, a meta.json, an .fspy file or a camera path"
    ),
]
Views = Annotated[str | None, typer.Option(help="Which of its cameras, such as 0,4,9; from 0.")]


@app.command()
def orbit(
    output: Output,
    center: Annotated[
        str | None, typer.Option(help="X,Y,Z to look at, in metres; the world's middle if not.")
    ] = None,
    world: Annotated[
        Path | None, typer.Option(help="A world to go around; its first view gives the distance.")
    ] = None,
    radius: Annotated[float | None, typer.Option(help="Metres from the centre, level.")] = None,
    height: Annotated[float | None, typer.Option(help="Metres above the centre.")] = None,
    frames: Frames = 96,
    start: Annotated[float, typer.Option(help="Degrees from +x, seen from above.")] = 0.0,
    sweep: Annotated[float, typer.Option(help="Degrees to go; negative is clockwise.")] = 360.0,
    size: Annotated[str, typer.Option(help="WxH in pixels.")] = "512x288",
    fov: Annotated[float, typer.Option(min=1, max=170, help="Degrees from left to right.")] = 60.0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Around a point, level, looking at it."""
    width, height_px = parse_size(size)
    refuse_existing(output, overwrite)
    middle, away, above = _circle(center, world, radius, height)
    lens = Camera(intrinsics(math.radians(fov), width, height_px), np.eye(4), width, height_px)
    _write(output, orbit_cameras(lens, middle, away, above, frames, start, sweep), as_json)


@app.command()
def between(
    source: Source,
    output: Output,
    views: Views = None,
    frames: Frames = 96,
    size: Annotated[str | None, typer.Option(help="WxH; what is seen across stays.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Smoothly through some cameras, such as a world's memory views 0,4,9."""
    refuse_existing(output, overwrite)
    keys = _resized(_chosen(source, views), size)
    _write(output, through(keys, frames), as_json)


@app.command("from")
def from_source(
    source: Source,
    output: Output,
    views: Views = None,
    size: Annotated[str | None, typer.Option(help="WxH; what is seen across stays.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """The cameras that a world, a data set or a meta.json has, as they are."""
    refuse_existing(output, overwrite)
    _write(output, _resized(_chosen(source, views), size), as_json)


def cameras_of(source: Path) -> list[Camera]:
    """The cameras of a world's memory, a data set, a meta.json, an .fspy file or a camera path.

    Raises InputError when it is none of these or has no camera.
    """
    if (source / "world.json").is_file():
        from ..shared.world_folder import load_world

        found = [frame.camera for frame in load_world(source).memory]
    elif (source / "transforms.json").is_file():
        from ..data.nerfstudio import read_dataset

        found = [frame.camera for frame in read_dataset(source)]
    elif source.suffix.lower() == ".fspy":
        from ..shared.fspy import read_fspy

        found = [read_fspy(source).camera]
    elif source.is_file() and "image" in _json(source):
        from ..world.importers.meta import read_meta

        found = read_meta(source).path
    elif source.is_file():
        found = read_camera_path(source)
    else:
        raise InputError(
            f"'{source}' holds no cameras; name a world, a data set with transforms.json, a "
            "meta.json, an .fspy file or a camera path."
        )
    if not found:
        raise InputError(f"'{source}' has no cameras; choose another.")
    return found


def _json(path: Path) -> dict[str, object]:
    with as_sentence(lambda why: InputError(f"'{path}' is no JSON that can be read ({why}).")):
        data = read_json(path)
    return data if isinstance(data, dict) else {}


def _chosen(source: Path, views: str | None) -> list[Camera]:
    cameras = cameras_of(source)
    if views is None:
        return cameras
    try:
        numbers = [int(number) for number in views.split(",")]
    except ValueError as error:
        raise InputError(f"--views takes numbers such as 0,4,9, not '{views}'.") from error
    wrong = [number for number in numbers if not 0 <= number < len(cameras)]
    if wrong:
        raise InputError(
            f"'{source}' has no camera {wrong[0]}; choose --views from 0 to {len(cameras) - 1}."
        )
    return [cameras[number] for number in numbers]


def _resized(cameras: list[Camera], size: str | None) -> list[Camera]:
    if size is None:
        return cameras
    from .render import refit

    width, height = parse_size(size)
    return [refit(camera, width, height) for camera in cameras]


def _circle(
    center: str | None, world: Path | None, radius: float | None, height: float | None
) -> tuple[np.ndarray, float, float]:
    """Centre, radius and height above it, from what is said and from the world for the rest."""
    middle = None if center is None else _point(center)
    away, above = radius, height
    if world is not None:
        from ..shared.world_folder import load_world

        loaded = load_world(world)
        if middle is None and len(loaded.anchors):
            middle = np.median(loaded.anchors.xyz, axis=0).astype(float)
        if loaded.memory and middle is not None:
            offset = loaded.memory[0].camera.position - middle
            away = float(np.hypot(*offset[:2])) if away is None else away
            above = float(offset[2]) if above is None else above
    if middle is None:
        raise InputError("Where to look is not said; give --center X,Y,Z or --world WORLD.")
    return middle, 4.0 if away is None else away, 1.0 if above is None else above


def _point(text: str) -> np.ndarray:
    try:
        point = np.array([float(number) for number in text.split(",")])
    except ValueError:
        point = np.zeros(0)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f"--center takes X,Y,Z in metres, such as 0,0,1.2, not '{text}'.")
    return point


def _write(output: Path, cameras: list[Camera], as_json: bool) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    write_camera_path(output, cameras)
    if as_json:
        print(json.dumps({"cameras": str(output), "frames": len(cameras)}))
    else:
        print(f"{counted(len(cameras), 'camera')} in {output}")
