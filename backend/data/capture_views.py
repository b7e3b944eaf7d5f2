# SPDX-License-Identifier: GPL-3.0-or-later
"""The views of a capture: where their files are, the lens and the place; and each one read.

Nothing is decoded before all views are known to be sound.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ..shared.camera import Camera
from ..shared.errors import CameraError, InputError
from ..shared.reading import resolved
from .depth_files import read_depth, resize_depth
from .lenses import Lens, check_lens, straighten
from .photos import MAX_SIDE, read_photo
from .pictures import check_picture_size, is_cut_off

MOST_PIXELS = 120_000_000
"""Of all views of a capture together; larger ones are scaled down."""
LONGEST_PART, MOST_NAME = 240, 2000
"""Bytes of a file's name, with room for an ending, and characters of a whole path."""
SAME_SHAPE = 0.02
"""By how much a picture's aspect may differ from that of its camera."""
ENDINGS = (".png", ".jpg", ".jpeg", ".JPG", ".PNG", ".JPEG", ".webp", ".tif", ".tiff", ".bmp")
_OPAQUE = 128
_DRIVE = re.compile(r"[A-Za-z]:/")


@dataclass(eq=False)
class PosedFrame:
    """A picture and where it was taken.

    rgb: (H, W, 3) uint8 sRGB. depth: (H, W) float32 z-depth in metres, +inf = sky, 0 = unknown,
    or None. name: its file's path in the dataset, without the ending. known: (H, W) bool, the
    pixels that show something (not masked, not transparent); None = all.
    """

    camera: Camera
    rgb: np.ndarray
    depth: np.ndarray | None
    name: str
    known: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class CaptureView:
    """One picture of a capture, not read yet.

    c2w: (4, 4) OpenCV axes. depth_unit: metres of a step of a depth PNG (see `read_depth`).
    """

    name: str
    picture: Path
    lens: Lens
    c2w: np.ndarray
    mask: Path | None = None
    depth: Path | None = None
    depth_unit: float | None = None


@dataclass(eq=False)
class Capture:
    """views: those whose pictures are there. missing, damaged: names of those whose are not, and of
    those whose pictures are cut off."""

    views: list[CaptureView]
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def all_notes(self) -> list[str]:
        """Sentences for the user, the pictures that are left out named."""
        total = len(self.views) + len(self.missing) + len(self.damaged)
        kinds = (("missing", self.missing), ("damaged", self.damaged))
        return [*self.notes, *(left_out(what, names, total) for what, names in kinds if names)]

    def usable(self, picture: Path | None, name: str) -> Path | None:
        """The picture of that name, None where it cannot be had; that is noted then."""
        if picture is None:
            self.missing.append(name)
        elif is_cut_off(picture):
            self.damaged.append(name)
            return None
        return picture


def left_out(what: str, names: Sequence[str], total: int, whose: str = "capture") -> str:
    """A sentence on pictures of so many that are missing or damaged (`what`)."""
    named = ", ".join(f"'{name}'" for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    several = f"is {what} and was" if len(names) == 1 else f"are {what} and were"
    return f"{len(names)} of the {whose}'s {total} pictures {several} left out: {named}{more}."


def check_views(capture: Capture) -> list[tuple[int, int]]:
    """Sizes of the pictures; raises InputError for a picture or lens that cannot be used, a
    picture that does not have its camera's shape, one that is listed twice, or none at all."""
    if not capture.views:
        what = "it has no pictures"
        if capture.damaged:
            what = f"all of its pictures that are there ({len(capture.damaged)}) are damaged"
        elif capture.missing:
            what = f"none of its {len(capture.missing)} pictures is there"
        raise InputError(f"The capture cannot be used: {what}; put them beside it.")
    seen: set[str] = set()
    sizes = []
    for view in capture.views:
        if view.name in seen:
            raise InputError(f"The dataset lists '{view.name}' twice; remove one from it.")
        seen.add(view.name)
        check_lens(view.lens, view.name)
        width, height = check_picture_size(view.picture)
        aspect = width / height / (view.lens.width / view.lens.height)
        if abs(aspect - 1) > SAME_SHAPE:
            raise InputError(
                f"'{view.name}' is {width} x {height} pixels but its camera "
                f"{view.lens.width} x {view.lens.height}, another shape; "
                "export the capture again with the pictures that were aligned."
            )
        sizes.append((width, height))
    return sizes


def side_for(sizes: Sequence[tuple[int, int]]) -> int:
    """Longest side that the pictures may have so that all of them fit into MOST_PIXELS."""
    total = sum(w * h for w, h in sizes)
    longest = max(max(size) for size in sizes)
    return max(64, min(MAX_SIDE, int(longest * min(1.0, (MOST_PIXELS / total) ** 0.5))))


def load_view(view: CaptureView, max_side: int = MAX_SIDE) -> PosedFrame:
    """The view as a pinhole saw it; raises InputError when its files or its place are wrong."""
    photo = read_photo(view.picture, max_side, min_side=1, upright=False)
    width, height = photo.size
    known = None if photo.alpha is None else photo.alpha >= _OPAQUE
    if view.mask is not None:
        mask = _read_mask(view.mask, width, height)
        known = mask if known is None else known & mask
    depth = None
    if view.depth is not None:
        depth = _read_depth(view, width, height)
    lens = straighten(view.lens.scaled(width, height))
    rgb = photo.rgb if known is None or known.all() else filled(photo.rgb, known)
    rgb = np.ascontiguousarray(lens.colours(rgb))
    if lens.x is not None:
        inside = np.ones((height, width), np.uint8) if known is None else known.astype(np.uint8)
        known = lens.values(inside, 0.0) > 0
        depth = None if depth is None else lens.values(depth, 0.0)
    if known is not None and known.all():
        known = None
    if known is not None and depth is not None:
        depth = np.where(known, depth, np.float32(0))
    try:
        camera = Camera(lens.K, view.c2w, lens.width, lens.height)
    except CameraError as error:
        raise InputError(f"The camera of '{view.name}' cannot be used: {error}") from error
    return PosedFrame(camera, rgb, depth, view.name, known)


def _read_depth(view: CaptureView, width: int, height: int) -> np.ndarray:
    assert view.depth is not None
    depth = read_depth(view.depth, view.depth_unit)
    if abs(depth.shape[1] / depth.shape[0] / (width / height) - 1) > SAME_SHAPE:
        raise InputError(
            f"The depth of '{view.name}' is {depth.shape[1]} x {depth.shape[0]} but its picture "
            f"{width} x {height} pixels, another shape; export both of one camera."
        )
    return resize_depth(depth, width, height)


def _read_mask(path: Path, width: int, height: int) -> np.ndarray:
    """(H, W) bool, True where the mask is white: what is black must not be used."""
    if not path.is_file():
        raise InputError(f"The mask '{path.name}' of the dataset is missing; put it back.")
    check_picture_size(path)
    data = np.fromfile(path, np.uint8)
    mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    if mask is None:
        raise InputError(f"The mask '{path.name}' is broken or not a picture; export it again.")
    mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return mask > (0 if mask.max() <= 1 else 127)


def filled(rgb: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: unknown pixels take the colours around, so that none bleeds into others."""
    weight = known.astype(np.float32)
    colour = rgb.astype(np.float32) * weight[..., None]
    levels = [(colour, weight)]
    while max(levels[-1][1].shape) > 1:
        height, width = levels[-1][1].shape
        size = ((width + 1) // 2, (height + 1) // 2)
        levels.append(tuple(cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in levels[-1]))
    colour, weight = levels.pop()
    value = colour.reshape(*weight.shape, 3) / np.maximum(weight, 1e-9)[..., None]
    for colour, weight in reversed(levels):
        coarse = cv2.resize(value, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        coarse = coarse.reshape(*weight.shape, 3)
        share = np.minimum(weight, 1.0)[..., None]
        own = colour / np.maximum(weight, 1e-9)[..., None]
        value = own * share + coarse * (1 - share)
    out = np.clip(value + 0.5, 0, 255).astype(np.uint8)
    out[known] = rgb[known]
    return out


def inside(folder: Path, listed: str) -> Path:
    """The path of a file that a capture names, whatever system wrote the name.

    Absolute paths of another machine are looked up by their last parts. Raises InputError for one
    that leaves `folder`.
    """
    places = _places(folder, listed)
    return next((path for path in places if path.is_file()), places[0])


def find_picture(folder: Path, listed: str) -> Path | None:
    """The picture that a capture calls `listed`; endings may be left out or in other letters."""
    for path in _places(folder, listed):
        if path.is_file():
            return path
        for ending in ENDINGS:
            for other in (path.with_name(path.name + ending), path.with_suffix(ending)):
                if other.is_file():
                    return other
    return None


def _places(folder: Path, listed: str) -> list[Path]:
    """Where in `folder` a file of that name may lie, the likeliest first."""
    lengths = [len(part.encode("utf-8", "replace")) for part in re.split(r"[/\\]", listed)]
    if max(lengths) > LONGEST_PART or len(listed) > MOST_NAME or "\0" in listed:
        raise InputError(
            f"The capture names a file '{listed[:40]}...' that cannot be one; export it again."
        )
    root = resolved(folder)
    name = re.sub(r"^/{2,}", "/", listed.replace("\\", "/"))  # never \\server\share itself
    parts = [part for part in name.split("/") if part not in ("", ".")]
    own = resolved(root / name)
    absolute = name.startswith("/") or _DRIVE.match(name) is not None
    if not parts or (not own.is_relative_to(root) and not absolute):
        raise _outside(listed)
    if not absolute:
        return [own]
    places = [own] if own.is_relative_to(root) and own.is_file() else []
    for start in range(1, len(parts)):
        path = resolved(root / "/".join(parts[start:]))
        if path.is_relative_to(root) and (
            path.is_file() or (path.parent != root and path.parent.is_dir())
        ):
            places.append(path)
    if not places:
        raise _outside(listed)
    return places


def _outside(listed: str) -> InputError:
    return InputError(
        f"The dataset names '{listed}', which lies outside its folder; copy the file into it."
    )
