# SPDX-License-Identifier: GPL-3.0-or-later
"""One photo to a world: camera match, depth, anchors, blockout, and the photo as memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from ...conditioning.anchors.lifting import lift
from ...data.capture_views import filled
from ...data.photos import Photo, read_photo
from ...models.depth import DepthEstimator, load_depth
from ...shared.camera import Camera
from ...shared.camera_match import DISTORTION, CameraMatch
from ...shared.errors import InputError
from ...shared.frame import SKY, MemoryFrame
from ...shared.trust import Guess
from ...shared.world import World
from ..identity import frame_id
from ..photo.blockout import BlockMesh, build_blockout
from ..photo.depth_edges import enlarge_depth, sharpen_edges
from ..photo.distortion import straightened
from ..photo.guess_trust import photo_guess
from ..photo.vanishing import straighten_and_match
from ..progress import Progress, silent

MOST_POINTS = 1_500_000
HIGHEST = 10_000.0
"""Metres above the ground that a photo's camera may stand at."""
WORKING_SIDE = 1024
"""Depth is estimated, sharpened and cut at this size, then enlarged to the photo's."""


@dataclass(frozen=True, eq=False)
class PhotoWorld:
    """match: the camera that was found, None where it was given. notes: sentences for the user."""

    world: World
    camera: Camera
    match: CameraMatch | None
    blockout: list[BlockMesh]
    notes: list[str] = field(default_factory=list)


def world_from_photo(
    path: Path,
    camera_height: float = 1.6,
    camera: Camera | None = None,
    depth: str | DepthEstimator = "auto",
    progress: Progress = silent,
    distortion: float = 0.0,
) -> PhotoWorld:
    """A world that can be flown through at once.

    camera_height: metres of the camera above the ground at z = 0. camera: as matched by hand or
    by fSpy, at any size of the photo's aspect; None finds it. depth: an estimator or its name.
    distortion: that a given camera's photo was made straight with (`find_distortion`).
    Raises InputError for a photo or a height that cannot be used, ModelError for the estimator.
    """
    taken = _taken(path, camera_height, camera, distortion, progress)
    rgb, camera, known = taken.rgb, taken.camera, taken.known
    progress(0.1, "Loading the depth estimator")
    estimator = load_depth(depth, thorough=True) if isinstance(depth, str) else depth
    progress(0.2, "Estimating depth")
    small_camera, guess_depth, ground = working_depth(rgb, camera, estimator)
    progress(0.4, "Measuring how far depth can be trusted")
    trust = _trust(taken, small_camera, guess_depth, estimator)
    progress(0.5, "Placing the photo")
    full_depth = enlarge_depth(guess_depth, camera.width, camera.height)
    if known is not None:
        full_depth[~known] = 0
        guess_depth = np.where(_at_size(known, small_camera), guess_depth, SKY)
    frame = MemoryFrame(
        id=frame_id(camera, rgb),
        name=Path(path).stem,
        camera=camera,
        rgb=rgb,
        depth=full_depth,
        estimated=True,
    )
    progress(0.6, "Making points")
    stride = max(1, math.ceil(math.sqrt(rgb.shape[0] * rgb.shape[1] / MOST_POINTS)))
    anchors = lift(frame, stride)
    if not len(anchors):
        raise InputError(
            "The photo shows nothing but sky to the depth estimator; choose another photo."
        )
    progress(0.8, "Making the blockout")
    blockout = build_blockout(guess_depth, ground, small_camera)
    provenance = {"source": "photo", "file": Path(path).name, "depth": estimator.name}
    if taken.distortion:
        provenance[DISTORTION] = f"{taken.distortion:.5f}"
    provenance |= trust.record()
    world = World(anchors=anchors, memory=[frame], revision=1, provenance=provenance)
    progress(1.0, "Done")
    return PhotoWorld(world, camera, taken.match, blockout, taken.notes)


@dataclass(frozen=True, eq=False)
class _Taken:
    """A photo in its camera. match, notes: see `PhotoWorld`. distortion: that it was made straight
    with. known: (H, W) bool which pixels are not transparent; None where none is."""

    rgb: np.ndarray
    camera: Camera
    match: CameraMatch | None
    distortion: float
    known: np.ndarray | None
    notes: list[str]


def _taken(
    path: Path, camera_height: float, camera: Camera | None, distortion: float, progress: Progress
) -> _Taken:
    """Reads a photo and finds its camera, where that is not given."""
    check_height(camera_height)
    progress(0.0, "Reading the photo")
    photo = read_photo(path)
    photo, known = _without_transparent(photo, Path(path).name)
    notes = list(photo.notes)
    rgb, match = photo.rgb, None
    if camera is None:
        progress(0.05, "Finding the camera")
        rgb, match = straighten_and_match(photo)
        notes += match.notes
        camera, distortion = match.camera(camera_height), match.distortion
    else:
        camera = fitted_camera(camera, *photo.size, camera_height)
        if distortion:
            rgb, _ = straightened(rgb, distortion)
    if known is not None and distortion:
        known = _straight(known, distortion)
    return _Taken(rgb, camera, match, distortion, known, notes)


def _trust(
    taken: _Taken, small_camera: Camera, guess: np.ndarray, estimator: DepthEstimator
) -> Guess:
    """How far the depth `guess` of the estimator, at the working size, can be trusted."""
    small = shrunk(taken.rgb, small_camera)
    if estimator.coarse:  # how far off it is was measured without what is made upright afterwards
        estimator = load_depth("embedded")
        guess = estimator.estimate(small, small_camera).depth
    confidence = None if taken.match is None else taken.match.confidence
    return photo_guess(small, small_camera, guess, estimator, confidence)


def check_height(camera_height: float) -> None:
    """Raises InputError for a height of a camera above the ground, metres, that cannot be."""
    if not 0 < camera_height <= HIGHEST:  # neither is what is no number
        raise InputError(
            "The camera's height must be more than 0 metres above the ground and at most "
            f"{HIGHEST:,.0f}."
        )


def _without_transparent(photo: Photo, name: str) -> tuple[Photo, np.ndarray | None]:
    """The photo, transparent pixels in the colours around, and (H, W) bool which of it is known;
    None where all is."""
    if photo.alpha is None:
        return photo, None
    known = photo.alpha > 127
    if not known.any():
        raise InputError(f"'{name}' is transparent all over; choose another photo.")
    return replace(photo, rgb=filled(photo.rgb, known)), known


def _straight(known: np.ndarray, distortion: float) -> np.ndarray:
    """(H, W) bool where a photo that is made straight is known."""
    picture = np.repeat(255 * known.astype(np.uint8)[..., None], 3, axis=2)
    return np.asarray(straightened(picture, distortion)[0][..., 0] > 127)


def _at_size(known: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W) bool at the camera's size."""
    size = (camera.width, camera.height)
    return cv2.resize(known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def fitted_camera(camera: Camera, width: int, height: int, camera_height: float | None) -> Camera:
    """`camera` at the picture's size, `camera_height` above the ground when that is given.

    Raises InputError when the camera was matched to a picture of another shape.
    """
    if abs(camera.width / camera.height / (width / height) - 1) > 0.02:
        raise InputError(
            f"The camera is for a picture of {camera.width} x {camera.height} pixels but the photo "
            f"has {width} x {height}; match this photo's own camera."
        )
    camera = camera.resized(width, height)
    if camera_height is None:
        return camera
    c2w = camera.c2w.copy()
    c2w[2, 3] = camera_height
    return Camera(camera.K, c2w, width, height)


def working_depth(
    rgb: np.ndarray, camera: Camera, estimator: DepthEstimator
) -> tuple[Camera, np.ndarray, np.ndarray]:
    """Camera, sharpened z-depth (H, W) and ground probability (H, W) at the working size.

    rgb: (H, W, 3) uint8 of the camera's own size.
    """
    scale = min(1.0, WORKING_SIDE / max(camera.width, camera.height))
    width, height = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    small_camera = camera.resized(width, height)
    guess = estimator.estimate(shrunk(rgb, small_camera), small_camera)
    # estimators smear silhouettes over about a hundredth of the picture
    reach = 2 * (max(4, max(width, height) // 100) // 2) + 1
    return small_camera, sharpen_edges(guess.depth, reach), guess.ground


def shrunk(rgb: np.ndarray, camera: Camera) -> np.ndarray:
    """The picture (H, W, 3) uint8 at the camera's smaller size."""
    return cv2.resize(rgb, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
