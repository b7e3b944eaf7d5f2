# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures with known cameras to worlds: nerfstudio's transforms.json, and COLMAP's models."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...conditioning.anchors.lifting import lift
from ...conditioning.anchors.spacing import point_radii
from ...data.nerfstudio import PosedFrame, read_dataset
from ...data.pictures import check_picture_size
from ...models.depth import DepthEstimator, load_depth
from ...shared.anchors import Anchors
from ...shared.camera import Camera
from ...shared.errors import InputError
from ...shared.frame import MemoryFrame
from ..depth_fit import fit_depth
from ..identity import frame_id
from ..photo.depth_edges import enlarge_depth, sharpen_edges
from ..progress import Progress, part, silent
from ..world import World
from .colmap_files import check_binary_model
from .images import read_photo
from .photo import working_depth
from .ply import read_ply

if TYPE_CHECKING:
    import pycolmap

MOST_POINTS = 4_000_000
MOST_GUESSED = 60
"""Pictures without depth whose depth is estimated; the others serve as memory by their colours."""


def world_from_dataset(
    folder: Path, depth: str | DepthEstimator = "auto", progress: Progress = silent
) -> World:
    """A nerfstudio or COLMAP folder, told apart by what is in it.

    Frames without depth get an estimated one that is fitted to the point cloud that comes with the
    capture. Raises InputError when the folder is neither, damaged, or has no geometry at all.
    """
    folder = Path(folder)
    if folder.is_file() and folder.name == "transforms.json":
        folder = folder.parent
    if (folder / "transforms.json").is_file():
        return _from_transforms(folder, depth, progress)
    if colmap_model(folder) is not None:
        return world_from_colmap(folder, depth, progress)
    raise InputError(
        f"'{folder}' has neither a transforms.json nor a COLMAP model (cameras, images, points3D)."
    )


def _from_transforms(folder: Path, depth: str | DepthEstimator, progress: Progress) -> World:
    progress(0.0, "Reading the pictures")
    frames = read_dataset(folder)
    points = _listed_cloud(folder)
    if points is None and all(f.depth is None for f in frames):
        raise InputError(
            f"The capture '{folder.name}' has neither depth images nor a point cloud "
            "(ply_file_path); export it with one of them."
        )
    return _assemble(frames, points, folder, "transforms.json", depth, part(progress, 0.2, 1.0))


def _listed_cloud(folder: Path) -> Anchors | None:
    """The point cloud that transforms.json names, in the same axes as its cameras."""
    listed = json.loads((folder / "transforms.json").read_text(encoding="utf-8")).get(
        "ply_file_path"
    )
    if not isinstance(listed, str):
        return None
    path = (folder / listed).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(
            f"transforms.json names the point cloud '{listed}' outside its folder; copy it there."
        )
    return read_ply(path, up="z")


def _assemble(
    frames: Sequence[PosedFrame],
    points: Anchors | None,
    folder: Path,
    source: str,
    depth: str | DepthEstimator,
    progress: Progress,
) -> World:
    guessed = [i for i, f in enumerate(frames) if f.depth is None]
    chosen = set(guessed[:: max(1, -(-len(guessed) // MOST_GUESSED))]) if points else set()
    estimator = None
    if chosen:
        estimator = load_depth(depth) if isinstance(depth, str) else depth
    pixels = sum(f.rgb.shape[0] * f.rgb.shape[1] for i, f in enumerate(frames)
                 if f.depth is not None or i in chosen)  # fmt: skip
    stride = max(1, int(np.ceil(np.sqrt(pixels / MOST_POINTS))))
    memory, parts = [], [points] if points is not None else []
    for i, frame in enumerate(frames):
        progress(i / len(frames), f"Placing picture {i + 1} of {len(frames)}")
        known = frame.depth
        if i in chosen and estimator is not None and points is not None:
            known = _guessed_depth(frame, points, estimator)
        kept = MemoryFrame(
            id=frame_id(frame.camera, frame.rgb),
            name=Path(frame.name).name,
            camera=frame.camera,
            rgb=frame.rgb,
            depth=known,
        )
        memory.append(kept)
        if known is not None:
            parts.append(lift(kept, stride))
    provenance = {"source": source, "file": folder.name}
    if estimator is not None:
        provenance["depth"] = estimator.name
    progress(1.0, "Done")
    return World(
        anchors=Anchors.concatenate(parts), memory=memory, revision=1, provenance=provenance
    )


def _guessed_depth(frame: PosedFrame, points: Anchors, estimator: DepthEstimator) -> np.ndarray:
    """An estimate brought to the scale and shape of the capture's points."""
    camera = frame.camera
    if camera.position[2] <= 0.05:  # the estimator wants to stand on something; scale is fitted
        lifted = camera.c2w.copy()
        lifted[2, 3] = 1.6
        camera = Camera(camera.K, lifted, camera.width, camera.height)
    small, guess, _ = working_depth(frame.rgb, camera, estimator)
    known = np.zeros(guess.shape, np.float32)
    target = frame.camera.resized(small.width, small.height)
    uv, z = target.project(points.xyz.astype(np.float64))
    with np.errstate(invalid="ignore"):
        inside = (z > 1e-3) & (uv >= 0).all(axis=1) & (uv < [small.width, small.height]).all(axis=1)
    x, y = uv[inside].astype(int).T
    order = np.argsort(-z[inside])  # the nearest point is written last
    known[y[order], x[order]] = z[inside][order]
    fitted = sharpen_edges(fit_depth(guess, known))
    return enlarge_depth(fitted, camera.width, camera.height)


# ---------------------------------------------------------------------------- COLMAP


def colmap_model(folder: Path) -> Path | None:
    """The folder with cameras, images and points3D (.bin or .txt), or None."""
    for place in (folder, folder / "sparse" / "0", folder / "sparse", folder / "0"):
        if any((place / f"cameras{e}").is_file() and (place / f"images{e}").is_file()
               for e in (".bin", ".txt")):  # fmt: skip
            return place
    return None


def world_from_colmap(
    folder: Path, depth: str | DepthEstimator = "auto", progress: Progress = silent
) -> World:
    """A COLMAP reconstruction; pictures from lenses with distortion are undistorted.

    The model's gauge is free: the cameras' mean up becomes z, the lowest common level of the points
    z = 0, and lengths are scaled so that the cameras' median height is 1.6 m.
    """
    folder = Path(folder)
    try:
        import pycolmap
    except ImportError as error:
        raise InputError(
            "COLMAP models need the package pycolmap; install WorldFM with its 'import' extra."
        ) from error
    place = colmap_model(folder)
    if place is None:
        raise InputError(f"'{folder}' has no COLMAP model (cameras, images, points3D).")
    pictures = next((p for p in (folder / "images", folder / "input", place.parent / "images",
                                 place.parent.parent / "images") if p.is_dir()), None)  # fmt: skip
    if pictures is None:
        raise InputError(f"'{folder}' has no folder 'images' with the pictures of its model.")
    progress(0.0, "Reading the model")
    model = _read_model(place)
    _check_names(model, pictures)
    with tempfile.TemporaryDirectory(prefix="worldfm-colmap-") as temporary:
        if any(len(c.params) > 4 or c.model.name not in ("SIMPLE_PINHOLE", "PINHOLE")
               for c in model.cameras.values()):  # fmt: skip
            progress(0.05, "Undistorting the pictures")
            pycolmap.undistort_images(temporary, str(place), str(pictures))
            model = _read_model(Path(temporary) / "sparse")
            pictures = Path(temporary) / "images"
        frames, points = _placed(model, pictures, part(progress, 0.2, 0.4))
        return _assemble(frames, points, folder, "colmap", depth, part(progress, 0.4, 1.0))


def _read_model(place: Path) -> pycolmap.Reconstruction:
    import pycolmap

    check_binary_model(place)
    try:
        model = pycolmap.Reconstruction(str(place))
    except (ValueError, RuntimeError, IndexError, MemoryError) as error:
        raise InputError(
            f"The COLMAP model in '{place.name}' is damaged; export it again ({error})."
        ) from error
    if not model.num_reg_images() or not model.num_points3D():
        raise InputError("The COLMAP model has no registered pictures or no points.")
    return model


def _check_names(model: pycolmap.Reconstruction, pictures: Path) -> None:
    """Before anything is undistorted: every picture is there, once, and inside its folder."""
    names = [model.images[i].name for i in model.reg_image_ids()]
    for name in names:
        path = (pictures / name).resolve()
        if not path.is_relative_to(pictures.resolve()):
            raise InputError(f"The COLMAP model names '{name}', which is outside its folder.")
        if not path.is_file():
            raise InputError(
                f"The picture '{name}' of the COLMAP model is missing from '{pictures.name}'."
            )
        check_picture_size(path)
    if len(set(names)) < len(names):
        raise InputError("The COLMAP model names one picture twice; export it again.")


def _placed(
    model: pycolmap.Reconstruction, pictures: Path, progress: Progress
) -> tuple[list[PosedFrame], Anchors]:
    ids = sorted(model.reg_image_ids())
    c2ws = [np.vstack([model.images[i].cam_from_world().inverse().matrix(), [0, 0, 0, 1]])
            for i in ids]  # fmt: skip
    xyz = np.array([p.xyz for p in model.points3D.values()])
    rgb = np.array([p.color for p in model.points3D.values()], dtype=np.uint8)
    error = np.array([p.error for p in model.points3D.values()])
    keep = np.isfinite(xyz).all(axis=1) & (error < max(4.0, 4 * float(np.median(error))))
    turn, move, scale = _gauge(np.array(c2ws), xyz[keep])
    frames = []
    for n, (i, c2w) in enumerate(zip(ids, c2ws, strict=True)):
        progress(n / len(ids), f"Reading picture {n + 1} of {len(ids)}")
        image = model.images[i]
        picture = read_photo(pictures / image.name)
        placed = np.eye(4)
        placed[:3, :3] = turn @ c2w[:3, :3]
        placed[:3, 3] = scale * (turn @ c2w[:3, 3] + move)
        lens = model.cameras[image.camera_id]
        camera = Camera(lens.calibration_matrix(), placed, lens.width, lens.height)
        frames.append(PosedFrame(camera.resized(*picture.size), picture.rgb, None, image.name))
    points = (scale * (xyz[keep] @ turn.T + move)).astype(np.float32)
    return frames, Anchors(points, rgb[keep], np.minimum(point_radii(points), 0.05))


def _gauge(c2w: np.ndarray, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Rotation, then translation, then scale into metres with z up. c2w: (N, 4, 4)."""
    up = -c2w[:, :3, 1].mean(axis=0)
    up /= max(np.linalg.norm(up), 1e-9)
    side = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    turn = np.stack([side, np.cross(up, side), up])
    height = (c2w[:, :3, 3] @ turn.T)[:, 2]
    floor = float(np.percentile((xyz @ turn.T)[:, 2], 2))
    above = float(np.median(height)) - floor
    scale = 1.6 / above if above > 1e-6 else 1.0
    centre = (c2w[:, :3, 3] @ turn.T).mean(axis=0)
    return turn, np.array([-centre[0], -centre[1], -floor]), scale
