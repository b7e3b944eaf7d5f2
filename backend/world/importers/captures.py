# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures with known cameras to worlds: nerfstudio's transforms.json, and COLMAP's models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...conditioning.anchors.lifting import lift
from ...conditioning.anchors.spacing import point_radii
from ...data.capture_views import Capture, PosedFrame, check_views, inside, load_view, side_for
from ...data.nerfstudio import read_capture, transforms_file
from ...models.depth import DepthEstimator, load_depth
from ...shared.anchors import Anchors
from ...shared.camera import Camera
from ...shared.errors import InputError
from ...shared.frame import MemoryFrame
from ...shared.world import World
from ..depth_fit import fit_depth
from ..identity import frame_id
from ..origin import origin_of, remember
from ..photo.depth_edges import enlarge_depth, sharpen_edges
from ..progress import Progress, part, silent
from .colmap import SparsePoints, colmap_model, gauge, read_colmap
from .photo import working_depth
from .ply import read_far_ply

MOST_POINTS = 4_000_000
MOST_GUESSED = 60
"""Pictures without depth whose depth is estimated; the others serve as memory by their colours."""
SPARSE_RADIUS = 0.05


@dataclass(frozen=True, eq=False)
class CaptureWorld:
    """notes: sentences for the user, on what was left out and how far depth can be trusted."""

    world: World
    notes: list[str] = field(default_factory=list)


@dataclass(eq=False)
class _Source:
    """What a capture's files say. points: sparse ones; cloud: those of a file of its own."""

    capture: Capture
    kind: str
    name: str
    points: SparsePoints | None = None
    cloud: Anchors | None = None
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))


def world_from_dataset(
    folder: Path, depth: str | DepthEstimator = "auto", progress: Progress = silent
) -> World:
    """The world of `capture_to_world`, without its notes."""
    return capture_to_world(folder, depth, progress).world


def capture_to_world(
    folder: Path, depth: str | DepthEstimator = "auto", progress: Progress = silent
) -> CaptureWorld:
    """A nerfstudio or COLMAP folder, told apart by what is in it.

    Frames without depth get an estimated one that is fitted to the point cloud that comes with the
    capture. Raises InputError when the folder is neither, damaged, or has no geometry at all.
    """
    progress(0.0, "Reading the capture")
    source = _open(Path(folder))
    side = side_for(check_views(source.capture))
    frames = []
    for number, view in enumerate(source.capture.views):
        total = len(source.capture.views)
        progress(0.05 + 0.25 * number / total, f"Reading picture {number + 1} of {total}")
        frames.append(load_view(view, side))
    return _assemble(frames, source, depth, part(progress, 0.3, 1.0))


def _open(folder: Path) -> _Source:
    if transforms_file(folder) is not None:
        return _open_transforms(folder)
    if colmap_model(folder) is not None:
        return _open_colmap(folder)
    raise InputError(
        f"'{folder}' has neither a transforms.json nor a COLMAP model (cameras, images, points3D)."
    )


def _open_transforms(path: Path) -> _Source:
    capture, header = read_capture(path)
    file = transforms_file(path)
    assert file is not None
    folder = file.parent
    places = np.array([view.c2w[:3, 3] for view in capture.views]).reshape(-1, 3)
    origin = origin_of(places)
    _place(capture, np.eye(3), -origin, 1.0)
    cloud = _listed_cloud(folder, header, origin)
    source = _Source(capture, file.name, folder.name, cloud=cloud, origin=origin)
    if source.cloud is None and all(v.depth is None for v in capture.views):
        source.points = _beside(folder, header)
        if source.points is None:
            raise InputError(
                f"The capture '{folder.name}' has neither depth images nor a point cloud "
                "(ply_file_path); export it with one of them."
            )
    return source


def _place(capture: Capture, turn: np.ndarray, move: np.ndarray, scale: float) -> None:
    """Turns, moves and scales the capture's cameras."""
    for number, view in enumerate(capture.views):
        c2w = np.eye(4)
        c2w[:3, :3] = turn @ view.c2w[:3, :3]
        c2w[:3, 3] = scale * (turn @ view.c2w[:3, 3] + move)
        capture.views[number] = dataclasses.replace(view, c2w=c2w)


def _listed_cloud(folder: Path, header: dict[str, Any], origin: np.ndarray) -> Anchors | None:
    """The point cloud that transforms.json names, in the same axes as its cameras."""
    listed = header.get("ply_file_path")
    if not isinstance(listed, str):
        return None
    try:
        path = inside(folder, listed)
    except InputError as error:
        raise InputError(
            f"transforms.json names the point cloud '{listed}' outside its folder; copy it there."
        ) from error
    return read_far_ply(path, up="z", origin=origin)[0]


def _beside(folder: Path, header: dict[str, Any]) -> SparsePoints | None:
    """Points of the COLMAP model that a transforms.json was made of, in its axes."""
    if colmap_model(folder) is None or "applied_transform" not in header:
        return None
    try:
        applied = np.array(header["applied_transform"], np.float64)[:3]
        scale = float(header.get("applied_scale", 1.0))
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(f"applied_transform of '{folder.name}' is no 3x4 matrix.") from error
    if applied.shape != (3, 4) or not np.isfinite(applied).all() or not np.isfinite(scale):
        raise InputError(f"applied_transform of '{folder.name}' is no 3x4 matrix.")
    _, points = read_colmap(folder)
    return SparsePoints(
        scale * (points.xyz @ applied[:, :3].T + applied[:, 3]),
        points.rgb, np.zeros(0, np.int32), np.zeros(0, np.int32),
    )  # fmt: skip


def _open_colmap(folder: Path) -> _Source:
    capture, points = read_colmap(folder)
    if not len(points.xyz):
        raise InputError("The COLMAP model has no points; reconstruct it again.")
    if not capture.views:
        check_views(capture)
    turn, move, scale = gauge(np.array([view.c2w for view in capture.views]), points.xyz)
    _place(capture, turn, move, scale)
    return _Source(capture, "colmap", folder.name, points=points.moved(turn, move, scale))


def _as_anchors(points: SparsePoints) -> Anchors:
    xyz = points.xyz.astype(np.float32)
    return Anchors(xyz, points.rgb, np.minimum(point_radii(xyz), SPARSE_RADIUS))


def _assemble(
    frames: Sequence[PosedFrame], source: _Source, depth: str | DepthEstimator, progress: Progress
) -> CaptureWorld:
    points = source.cloud
    if points is None and source.points is not None:
        points = _as_anchors(source.points)
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
        if known is not None and frame.known is not None:
            known = np.where(frame.known, known, np.float32(0))
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
    provenance = remember({"source": source.kind, "file": source.name}, source.origin)
    if estimator is not None:
        provenance["depth"] = estimator.name
    progress(1.0, "Done")
    world = World(
        anchors=Anchors.concatenate(parts), memory=memory, revision=1, provenance=provenance
    )
    return CaptureWorld(world, source.capture.all_notes())


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
