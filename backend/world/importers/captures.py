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
from ...shared.leftovers import temporary_folder
from ...shared.reading import MALFORMED
from ...shared.trust import Trust
from ...shared.world import World
from ..exposure import evened
from ..identity import frame_id
from ..origin import origin_of, remember
from ..progress import Progress, part, silent
from ..stereo.dense import Dense, dense_depth
from ..stereo.strangers import without_strangers
from ..stereo.trust import agreement, left_out_error
from ..stereo.votes import DENIED, views_of, votes, without_denied
from .capture_axes import level_turn
from .colmap import SparsePoints, colmap_model, read_colmap
from .gauge import gauge
from .ply import read_ply
from .reconstruct import pictures_in, reconstruct, unread_in

MOST_POINTS = 4_000_000
DENIALS = 2
"""Frames that must see through a sparse point before it goes."""
SPARSE_RADIUS = 0.05


@dataclass(frozen=True, eq=False)
class CaptureWorld:
    """notes: sentences for the user, on what was left out. How far depth can be trusted stands in
    the world's provenance (`shared/trust.py`)."""

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


def capture_to_world(
    folder: Path, depth: str | DepthEstimator = "auto", progress: Progress = silent
) -> CaptureWorld:
    """A nerfstudio or COLMAP folder, or one of photos alone, told apart by what is in it.

    Frames without depth get one by comparing them with one another; what they do not agree on is
    filled with an estimate. Raises InputError when the folder is neither, damaged, or has no
    geometry at all.
    """
    progress(0.0, "Reading the capture")
    folder = Path(folder)
    start = 0.0
    if _is_capture(folder):
        source = _open(folder)
    else:
        start = 0.5
        source = _open_photos(folder, part(progress, 0.0, start))
    progress = part(progress, start, 1.0)
    side = side_for(check_views(source.capture))
    frames = []
    for number, view in enumerate(source.capture.views):
        total = len(source.capture.views)
        progress(0.05 + 0.25 * number / total, f"Reading picture {number + 1} of {total}")
        frames.append(load_view(view, side))
    return _assemble(frames, source, depth, part(progress, 0.3, 1.0))


def _is_capture(folder: Path) -> bool:
    return transforms_file(folder) is not None or colmap_model(folder) is not None


def _open(folder: Path) -> _Source:
    if transforms_file(folder) is not None:
        return _open_transforms(folder)
    return _open_colmap(folder)


def _open_photos(folder: Path, progress: Progress) -> _Source:
    """Photos without cameras: COLMAP places them first."""
    place = next((f for f in (folder, folder / "images") if pictures_in(f)), None)
    if place is None:
        unread = [f for place in (folder, folder / "images") for f in unread_in(place)]
        if unread:
            raise InputError(
                f"The pictures in '{folder.name}' (such as '{unread[0].name}') are of a kind that "
                "is not read here; export them as JPEG first."
            )
        raise InputError(
            f"'{folder}' has neither a transforms.json nor a COLMAP model (cameras, images, "
            "points3D), and no pictures."
        )
    with temporary_folder("photos") as temporary:
        model, notes = reconstruct(place, temporary, progress)
        source = _open_colmap(place, model)
    source.kind = "photos"
    source.capture.notes += notes
    return source


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
    if source.cloud is None and any(v.depth is None for v in capture.views):
        source.points = _beside(folder, header)
        if source.points is None and len(capture.views) == 1:
            raise InputError(
                f"The capture '{folder.name}' is a single picture with neither a depth image nor "
                "a point cloud (ply_file_path); use New World from Photo."
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
    return read_ply(path, up="z", origin=origin)[0]


def _beside(folder: Path, header: dict[str, Any]) -> SparsePoints | None:
    """Points of the COLMAP model that a transforms.json was made of, in its axes."""
    if colmap_model(folder) is None or "applied_transform" not in header:
        return None
    try:
        applied = np.array(header["applied_transform"], np.float64)[:3]
        scale = float(header.get("applied_scale", 1.0))
    except MALFORMED as error:
        raise InputError(f"applied_transform of '{folder.name}' is no 3x4 matrix.") from error
    if applied.shape != (3, 4) or not np.isfinite(applied).all() or not np.isfinite(scale):
        raise InputError(f"applied_transform of '{folder.name}' is no 3x4 matrix.")
    _, points = read_colmap(folder)
    return SparsePoints(
        scale * (points.xyz @ applied[:, :3].T + applied[:, 3]),
        points.rgb, np.zeros(0, np.int32), np.zeros(0, np.int32),
    )  # fmt: skip


def _open_colmap(folder: Path, model: Path | None = None) -> _Source:
    capture, points = read_colmap(folder, model)
    if not len(points.xyz):
        raise InputError("The COLMAP model has no points; reconstruct it again.")
    check_views(capture)
    cameras = np.array([view.c2w for view in capture.views])
    turn = level_turn(capture.views)
    move, scale = gauge(cameras, points.xyz, turn)
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
    provenance = remember({"source": source.kind, "file": source.name}, source.origin)
    bare = any(frame.depth is None for frame in frames)
    dense: list[Dense] = []
    if bare:
        estimator = load_depth(depth) if isinstance(depth, str) else depth
        seen = None if points is None else points.xyz.astype(np.float64)
        dense = dense_depth(
            frames,
            seen,
            lambda rgb, camera: guess_depth(rgb, camera, estimator),
            part(progress, 0.0, 0.85),
        )
        provenance["depth"] = f"stereo, {estimator.name}"
    memory = _memory(frames, dense, part(progress, 0.85, 0.9))
    if bare:
        progress(0.9, "Leaving out what hangs in the air")
        memory = without_denied(memory, [frame.depth is None for frame in frames])
    notes = source.capture.all_notes()
    memory, stops = evened(memory)
    if stops:
        provenance["exposures_evened"] = f"{stops:.1f} stops"
        notes.append(
            f"The pictures were exposed differently, by up to {stops:.1f} stops; in the world they "
            "are alike."
        )
    if bare:
        memory = without_strangers(memory, [d.found for d in dense])
    anchors = _anchors(points, memory, [frame.depth is None for frame in frames])
    if not len(anchors):
        raise InputError(
            f"The capture '{source.name}' gives no surface: its pictures see nothing together; "
            "export it with depth images or a point cloud."
        )
    progress(0.95, "Measuring how far depth can be trusted")
    if bare:
        found = [d.agreed for d, f in zip(dense, frames, strict=True) if f.depth is None]
        share: float | None = float(np.mean(found))
    else:
        share = agreement(memory)
    if share is not None:
        provenance |= Trust(share, tuple(left_out_error(memory))).record()
    progress(1.0, "Done")
    return CaptureWorld(World(anchors, memory, 1, provenance), notes)


def _memory(
    frames: Sequence[PosedFrame], dense: Sequence[Dense], progress: Progress
) -> list[MemoryFrame]:
    """The frames with the depth that was found, or else their own, where it is known."""
    memory = []
    for i, frame in enumerate(frames):
        progress(i / len(frames), f"Placing picture {i + 1} of {len(frames)}")
        known = dense[i].depth if dense else frame.depth
        if known is not None and frame.known is not None:
            known = np.where(frame.known, known, np.float32(0))
        memory.append(
            MemoryFrame(
                id=frame_id(frame.camera, frame.rgb),
                name=Path(frame.name).name,
                camera=frame.camera,
                rgb=frame.rgb,
                depth=known,
            )
        )
    return memory


def _anchors(
    points: Anchors | None, memory: Sequence[MemoryFrame], judged: Sequence[bool]
) -> Anchors:
    """The points that memory does not deny, and what it saw, as many as a world may hold.

    judged: which frames' depth was found here. Between the pixels that voted it may still hang in
    the air, where it was enlarged, so their points are voted on one by one.
    """
    pixels = sum(frame.rgb.shape[0] * frame.rgb.shape[1] for frame in memory)
    stride = max(1, int(np.ceil(np.sqrt(pixels / MOST_POINTS))))
    views = views_of(memory)
    parts = [] if points is None else [points.only(votes(points.xyz, views)[:, 1] < DENIALS)]
    for frame, is_judged in zip(memory, judged, strict=True):
        if frame.depth is None:
            continue
        lifted = lift(frame, stride)
        if is_judged:
            seen, through = votes(lifted.xyz, views).T
            lifted = lifted.only(through <= DENIED * seen)
        parts.append(lifted)
    return Anchors.concatenate(parts)


def guess_depth(
    rgb: np.ndarray, camera: Camera, estimator: DepthEstimator
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) depth of a single picture of the camera's size, in no particular scale, and (H, W) how
    likely each pixel is ground."""
    if camera.position[2] <= 0.05:  # the estimator wants to stand on something; scale is fitted
        lifted = camera.c2w.copy()
        lifted[2, 3] = 1.6
        camera = Camera(camera.K, lifted, camera.width, camera.height)
    turns = _quarter_turns(camera)
    upright = np.ascontiguousarray(np.rot90(rgb, turns))
    guess = estimator.estimate(upright, _turned(camera, turns))
    depth, ground = (
        np.ascontiguousarray(np.rot90(found, -turns), np.float32)
        for found in (guess.depth, guess.ground)
    )
    return depth, ground


def _quarter_turns(camera: Camera) -> int:
    """Quarter turns, anticlockwise, after which the picture's top is what is up in the world."""
    right, down = camera.c2w[2, :2]
    return round(np.arctan2(right, -down) / (np.pi / 2)) % 4


def _turned(camera: Camera, turns: int) -> Camera:
    """The camera of the picture turned by quarter turns, anticlockwise."""
    for _ in range(turns):
        K, c2w = camera.K, camera.c2w.copy()
        # what was to the right is now at the top
        c2w[:3, 0], c2w[:3, 1] = camera.c2w[:3, 1], -camera.c2w[:3, 0]
        turned = np.array([[K[1, 1], 0, K[1, 2]], [0, K[0, 0], camera.width - K[0, 2]], [0, 0, 1]])
        camera = Camera(turned, c2w, camera.height, camera.width)
    return camera
