# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm world`: worlds from images, panoramas, data sets and point clouds, and out again."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..shared.errors import InputError
from .export_targets import Targets
from .options import Overwrite, Threads, counted, progress_bar, refuse_existing

if TYPE_CHECKING:
    from ..shared.camera import Camera
    from ..shared.world import World
    from ..world.importers.ply import ColourMode
    from ..world.photo.blockout import BlockMesh
    from ..world.progress import Progress

app = typer.Typer(add_completion=False, no_args_is_help=True)

Json = Annotated[
    bool, typer.Option("--json", help="Result as JSON on stdout, progress as JSON on stderr.")
]
Depth = Annotated[
    str, typer.Option(help="auto, embedded, moge-2, depth-anything, depth-pro or a folder.")
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of the new world.")]
Image = Annotated[Path | None, typer.Option(help="A photo; its depth is estimated.")]
Panorama = Annotated[Path | None, typer.Option(help="A 2:1 panorama.")]
Dataset = Annotated[
    Path | None, typer.Option(help="Folder with transforms.json or a COLMAP model.")
]
Ply = Annotated[
    Path | None, typer.Option(help="A point cloud, Gaussian splats (any kind) or a mesh.")
]
Meta = Annotated[Path | None, typer.Option(help="The reference's meta.json.")]
OfImage = Annotated[
    Path | None,
    typer.Option(help="Of --image: a camera path (its first camera is taken) or .fspy file."),
]
Height = Annotated[
    float | None, typer.Option(help="Metres of the camera above the ground (default 1.6).")
]
Distortion = Annotated[
    float,
    typer.Option(
        min=-0.3, max=0.3, help="Of the lens, as `worldfm world match` tells; goes with --camera."
    ),
]
Up = Annotated[str | None, typer.Option(help="Upward axis of --ply: z, y or -y.")]
Scale = Annotated[float, typer.Option(min=1e-9, help="Metres per unit of --ply.")]
PlyColors = Annotated[
    Literal["auto", "sh", "rgb"],
    typer.Option(help="Colours of --ply: spherical harmonics (auto where it has such) or rgb."),
]
Degree = Annotated[
    int,
    typer.Option(
        min=0, max=3, help="Degree of a splat's view-dependent colour that is read; 0 = none."
    ),
]


@app.callback()
def world() -> None:
    """Build, grow and export worlds: folders of anchor points and memory frames."""


@app.command()
def build(
    output: Output,
    image: Image = None,
    panorama: Panorama = None,
    dataset: Dataset = None,
    ply: Ply = None,
    meta: Meta = None,
    camera: OfImage = None,
    camera_height: Height = None,
    distortion: Distortion = 0.0,
    depth: Depth = "auto",
    up: Up = None,
    scale: Scale = 1.0,
    ply_color_mode: PlyColors = "auto",
    sh_degree: Degree = 3,
    overwrite: Overwrite = False,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Build a world from one source; a point cloud may be joined by a photo and its camera."""
    given = {"--panorama": panorama, "--dataset": dataset, "--ply": ply, "--meta": meta}
    _check_sources(given, image, camera)
    refuse_existing(output, overwrite)
    _check_depth(depth)
    with _progress(as_json) as progress:
        if panorama is not None:
            built = _panorama(panorama, camera_height, depth, progress)
        elif dataset is not None:
            built = _dataset(dataset, depth, progress)
        elif ply is not None:
            photo = None if image is None or camera is None else (image, _first_camera(camera))
            built = _point_cloud(ply, up, scale, photo, ply_color_mode, sh_degree)
        elif meta is not None:
            built = _meta(meta, depth, progress)
        else:
            assert image is not None
            built = _photo(image, camera, camera_height, depth, progress, distortion)
        built.save(output, overwrite)
    about, said = built.summary(output)
    _say(about, as_json, "\n".join(said), built.notes)


@app.command()
def match(
    image: Annotated[Path, typer.Argument(help="A photo.")],
    camera_height: Annotated[float, typer.Option(help="Metres above the ground.")] = 1.6,
    straight: Annotated[
        Path | None,
        typer.Option(help="Write the photo here (PNG) where it had to be made straight."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find a photo's focal length and orientation from its straight lines."""
    import math

    from ..data.photos import read_photo
    from ..shared.files import write_atomically
    from ..shared.png import encode_png
    from ..world.photo.vanishing import straighten_and_match

    refuse_existing(straight, overwrite)
    photo = read_photo(image)
    rgb, found = straighten_and_match(photo)
    if straight is not None and found.distortion:
        write_atomically(straight, encode_png(rgb))
    about = {
        "camera": found.camera(camera_height).to_json(),
        "confidence": round(found.confidence, 3),
        "focal_known": found.focal_known,
        "distortion": round(found.distortion, 5),
        "pitch_degrees": round(math.degrees(found.pitch), 2),
        "roll_degrees": round(math.degrees(found.roll), 2),
    }
    text = (
        f"focal length {found.focal:.0f} px, pitch {about['pitch_degrees']}, "
        f"roll {about['roll_degrees']} degrees, confidence {about['confidence']}"
    )
    _say(about, as_json, text, photo.notes + found.notes)


@app.command()
def grow(
    source: Annotated[Path, typer.Argument(help="A world's folder.")],
    frame: Annotated[Path, typer.Option(help="The frame to keep: a picture.")],
    camera: Annotated[Path, typer.Option(help="Camera path (JSON); its first camera is taken.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the grown world.")],
    depth: Depth = "embedded",
    overwrite: Overwrite = False,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Make a generated frame part of a world: Keep This Frame."""
    from ..data.photos import read_photo
    from ..shared.world_folder import load_world, save_world
    from ..world.grow import keep_picture

    refuse_existing(output, overwrite)
    _check_depth(depth)
    kept_camera = _first_camera(camera)
    with _progress(as_json) as progress:
        progress(0.0, "Reading the world")
        old = load_world(source)
        picture = read_photo(frame, max_side=8192)
        progress(0.3, "Completing the frame's depth")
        grown = keep_picture(old, picture.rgb, kept_camera, frame.stem, depth)
        save_world(grown, output, overwrite)
    added = len(grown.anchors) - len(old.anchors)
    about = {"world": str(output), "added_points": added, "revision": grown.revision}
    _say(about, as_json, f"{output}: {counted(added, 'new point')}, revision {grown.revision}", [])


@app.command(hidden=True)
def complete(
    source: Annotated[Path, typer.Argument(help="NPZ with rgb, known, camera and memory depths.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="NPZ with depth and points.")],
    depth: Depth = "embedded",
    as_json: Json = False,
) -> None:
    """What Keep This Frame asks for from Blender: one frame's depth and new points."""
    from ..world.frame_exchange import read_frame_to_keep, write_growth
    from ..world.grow import grow as grow_frame

    with _progress(as_json) as progress:
        progress(0.0, "Reading the frame")
        memory, rgb, known, camera = read_frame_to_keep(source)
        progress(0.3, "Completing the frame's depth")
        grown = grow_frame(memory, rgb, known, camera, "kept", depth)
        write_growth(output, grown)
    about = {"added_points": len(grown.anchors), "dropped": grown.dropped}
    _say(about, as_json, f"{len(grown.anchors)} new points", [])


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="A world's folder.")],
    ply: Annotated[Path | None, typer.Option(help="Write the anchors to this PLY file.")] = None,
    transforms: Annotated[
        Path | None, typer.Option(help="Write memory as pictures and transforms.json here.")
    ] = None,
    meta: Annotated[
        Path | None, typer.Option(help="Write the first memory frame and --cameras as meta.json.")
    ] = None,
    splats: Annotated[
        Path | None, typer.Option(help="Write a 3D Gaussian splat for every point (PLY).")
    ] = None,
    mesh: Annotated[
        Path | None, typer.Option(help="Write what memory saw as textured meshes (.glb).")
    ] = None,
    colmap: Annotated[
        Path | None, typer.Option(help="Write memory as a COLMAP model with pictures here.")
    ] = None,
    environment: Annotated[
        Path | None, typer.Option(help="Write what is around a place as a 360-degree .hdr.")
    ] = None,
    cameras: Annotated[
        Path | None,
        typer.Option(help="Camera path (JSON) for --meta; its first camera for --environment."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write a world for other programs."""
    from ..shared.camera_path import read_camera_path
    from ..shared.world_folder import load_world

    targets = Targets(ply, transforms, meta, splats, mesh, colmap, environment)
    targets.check(cameras, overwrite)
    path = None if cameras is None else read_camera_path(cameras)
    loaded = load_world(source)
    targets.copy(loaded, path, source.stem)
    with _progress(as_json) as progress:
        targets.bake(loaded, path, progress)
    written = [str(target) for target in targets.named]
    _say({"written": written}, as_json, "\n".join(written), [])


# ---------------------------------------------------------------------------- one source each


@dataclass(frozen=True, eq=False)
class _Built:
    """A new world and what came with it. cameras: a path that the source describes."""

    world: World
    blockout: list[BlockMesh] = field(default_factory=list)
    cameras: list[Camera] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def save(self, output: Path, overwrite: bool) -> None:
        """The world's folder, with blockout.npz and cameras.json where there are such."""
        from ..shared.camera_path import write_camera_path
        from ..shared.world_folder import save_world
        from ..world.photo.blockout import save_blockout

        more = {"blockout.npz": partial(save_blockout, self.blockout)} if self.blockout else {}
        save_world(self.world, output, overwrite, more)
        if self.cameras:
            write_camera_path(output / "cameras.json", self.cameras)

    def summary(self, output: Path) -> tuple[dict[str, Any], list[str]]:
        """What came out, for machines and in sentences."""
        from ..shared.trust import Trust, recorded

        points, memory = len(self.world.anchors), len(self.world.memory)
        about: dict[str, Any] = {"world": str(output), "points": points, "memory": memory}
        what = counted(points, "point")
        if self.world.scene is not None:
            about["triangles"] = self.world.scene.triangle_count()
            what = counted(about["triangles"], "triangle")
        said = [f"{output}: {what}, {counted(memory, 'memory frame')}"]
        trust = recorded(self.world.provenance)
        if isinstance(trust, Trust):
            about["depth"] = {
                "agreement": round(trust.agreement, 3),
                "left_out_db": [round(value, 1) for value in trust.left_out],
                "level": trust.level.value,
            }
        elif trust is not None:
            about["depth"] = {
                "error": round(trust.error, 3),
                "reach": trust.reach,
                "camera_match": trust.match,
                "level": trust.level.value,
            }
        if trust is not None:
            said += trust.sentences()
        return about, said


def _check_sources(given: dict[str, Path | None], image: Path | None, camera: Path | None) -> None:
    """Raises InputError unless one source is named and all that is named exists."""
    named = [name for name, path in given.items() if path is not None]
    if len(named) + (image is not None and given["--ply"] is None) != 1:
        raise InputError(
            "Name one source: --image, --panorama, --dataset, --ply or --meta "
            "(--ply may have --image and --camera beside it)."
        )
    if given["--ply"] is not None and (image is None) != (camera is None):
        raise InputError("A photo of a point cloud needs both --image and --camera.")
    for path in (image, camera, *given.values()):
        if path is not None and not path.exists():
            raise InputError(f"'{path}' does not exist; check its name.")


def _check_depth(name: str) -> None:
    """Raises ModelError for an estimator that is not here, before anything is read for it."""
    if name not in ("auto", "embedded"):
        from ..models.depth import load_depth

        load_depth(name)


def _photo(
    image: Path,
    camera: Path | None,
    camera_height: float | None,
    depth: str,
    progress: Progress,
    distortion: float,
) -> _Built:
    from ..world.importers.photo import world_from_photo

    given = _first_camera(camera) if camera is not None else None
    if camera_height is None:
        above = float(given.position[2]) if given is not None else 0.0
        camera_height = above if above > 0 else 1.6
    made = world_from_photo(image, camera_height, given, depth, progress, distortion)
    return _Built(made.world, made.blockout, notes=made.notes)


def _panorama(
    panorama: Path, camera_height: float | None, depth: str, progress: Progress
) -> _Built:
    from ..world.importers.panorama import world_from_panorama

    height = 1.6 if camera_height is None else camera_height
    return _Built(world_from_panorama(panorama, height, depth, progress))


def _dataset(dataset: Path, depth: str, progress: Progress) -> _Built:
    from ..world.importers.captures import capture_to_world

    made = capture_to_world(dataset, depth, progress)
    return _Built(made.world, notes=made.notes)


def _meta(meta: Path, depth: str, progress: Progress) -> _Built:
    from ..world.importers.meta import world_from_meta

    made, cameras = world_from_meta(meta, depth, progress)
    return _Built(made, cameras=cameras)


def _point_cloud(
    ply: Path,
    up: str | None,
    scale: float,
    photo: tuple[Path, Camera] | None,
    colours: ColourMode,
    degree: int,
) -> _Built:
    from ..world.importers.point_cloud import world_from_ply

    return _Built(world_from_ply(ply, up, scale, photo, colours, degree))


def _first_camera(path: Path) -> Camera:
    if path.suffix.lower() == ".fspy":
        from ..shared.fspy import read_fspy

        return read_fspy(path).camera
    from ..shared.camera_path import read_camera_path

    return read_camera_path(path)[0]


# ---------------------------------------------------------------------------- saying it


@contextlib.contextmanager
def _progress(as_json: bool) -> Iterator[Progress]:
    """A bar for people, or a line of JSON a step for machines, both on stderr."""
    if as_json:

        def tell(fraction: float, text: str) -> None:
            line = json.dumps({"progress": round(fraction, 4), "text": text})
            print(line, file=sys.stderr, flush=True)

        yield tell
        return
    with progress_bar(share=True) as bar:
        task = bar.add_task("Building", total=1.0)
        yield lambda fraction, text: bar.update(task, completed=fraction, description=text)
        bar.update(task, completed=1.0, description="Done")


def _say(about: dict[str, Any], as_json: bool, text: str, notes: list[str]) -> None:
    if as_json:
        print(json.dumps(about | {"notes": notes}))
        return
    for note in notes:
        print(note, file=sys.stderr)
    print(text)
