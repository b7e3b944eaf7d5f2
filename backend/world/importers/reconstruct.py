# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of photos without cameras: COLMAP finds these, from features to a model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...data.capture_views import ENDINGS, left_out
from ...data.photos import read_photo
from ...data.pictures import UNREAD_ENDINGS, check_picture_size, is_cut_off
from ...shared.camera_match import DEFAULT_FOCAL
from ...shared.errors import InputError, WorldFMError
from ..photo.distortion import straightening_zoom
from ..photo.vanishing import straighten_and_match
from ..progress import Progress, part, silent

FEWEST = 2
FEW = 12
"""Pictures up to which every pair of them has to give points, even at a small angle."""
EXHAUSTIVE = 80
"""Pictures up to which all pairs are compared; more are taken to be in the order of a walk."""
FEATURE_SIDE = 1600
FEATURES = 4096
SURE = 0.35
"""Confidence of a match from which its focal length is believed."""
AGREED = 1.1
"""Between the longest and the shortest focal length that count as one."""
WORKING_SIDE = 1280
_EXIF_IFD, _MODEL, _FOCAL, _FOCAL_35MM = 0x8769, 0x0110, 0x920A, 0xA405
_KINDS = tuple(dict.fromkeys(ending.lower() for ending in ENDINGS))


def pictures_in(folder: Path) -> list[Path]:
    """The pictures that lie in `folder` itself, by name."""
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if f.is_file() and f.suffix.lower() in _KINDS)


def unread_in(folder: Path) -> list[Path]:
    """The pictures in `folder` of kinds that are known and not read: a phone's HEIC, say."""
    if not folder.is_dir():
        return []
    files = (f for f in folder.iterdir() if f.is_file())
    return sorted(f for f in files if f.suffix.lower() in UNREAD_ENDINGS)


def reconstruct(folder: Path, work: Path, progress: Progress = silent) -> tuple[Path, list[str]]:
    """The folder of the largest model that COLMAP makes of the pictures in `folder`, and notes.

    work: an empty folder for its files. Raises InputError when the pictures are too few or do not
    show one place, Cancelled through `progress`.
    """
    import pycolmap

    names, damaged = usable_pictures(folder)
    pycolmap.logging.minloglevel = 3
    pycolmap.set_random_seed(0)
    models = work / "models"
    models.mkdir()
    colmap = _Colmap(folder, names, work / "database.db", pycolmap.CancellationToken())
    steps: list[tuple[str, float, Callable[[], None], Callable[[], float]]] = [
        ("Finding features", 0.35, colmap.find_features, lambda: 0.5),
        ("Finding the focal length", 0.4, colmap.tell_focal, lambda: 0.5),
        ("Comparing pictures", 0.65, colmap.match, lambda: 0.5),
        ("Placing cameras", 1.0, lambda: colmap.map_into(models), lambda: colmap.share_placed),
    ]
    began = 0.0
    for text, end, call, done in steps:
        _step(call, colmap.stop, done, part(progress, began, end), text)
        began = end
    model, notes = _largest(models, folder.name, len(names))
    return model, notes + damaged + unread_notes(folder)


def unread_notes(folder: Path) -> list[str]:
    """What to say of the pictures beside those that are read."""
    unread = unread_in(folder)
    if not unread:
        return []
    return [
        f"{len(unread)} of the folder's pictures (such as '{unread[0].name}') are of a kind that "
        "is not read here and were left out; export them as JPEG."
    ]


def usable_pictures(folder: Path) -> tuple[list[str], list[str]]:
    """Their names, and a note on those that are damaged. Raises InputError when they are too few,
    or one is too large."""
    pictures = pictures_in(folder)
    damaged = [picture.name for picture in pictures if is_cut_off(picture)]
    if damaged and len(pictures) - len(damaged) < FEWEST:
        raise InputError(
            f"'{folder.name}' has too few whole pictures: "
            f"{left_out('damaged', damaged, len(pictures), 'folder')} Copy them there again."
        )
    pictures = [picture for picture in pictures if picture.name not in damaged]
    if len(pictures) < FEWEST:
        count = "no pictures" if not pictures else "a single picture"
        if unread_in(folder):
            raise InputError(
                f"'{folder.name}' has {count} that can be read. {unread_notes(folder)[0]}"
            )
        raise InputError(
            f"'{folder.name}' has {count}; at least {FEWEST} of one place are needed, taken a step "
            "aside from one another (of one, New World from Photo makes a world)."
        )
    for picture in pictures:
        check_picture_size(picture)
    total = len(pictures) + len(damaged)
    notes = [left_out("damaged", damaged, total, "folder")] if damaged else []
    return [picture.name for picture in pictures], notes


@dataclass(eq=False)
class _Colmap:
    """COLMAP's three long calls over pictures of one folder. stop: its token that ends them."""

    folder: Path
    names: list[str]
    database: Path
    stop: Any
    placed: int = 0

    def find_features(self) -> None:
        import pycolmap

        extraction = pycolmap.FeatureExtractionOptions()
        extraction.max_image_size = FEATURE_SIDE
        extraction.sift.max_num_features = FEATURES
        pycolmap.extract_features(
            self.database, self.folder, image_names=self.names, extraction_options=extraction,
            camera_mode=self._mode(), device=pycolmap.Device.cpu,
            cancellation_token=self.stop,
        )  # fmt: skip

    def _mode(self) -> Any:
        """A single lens for few pictures of one size that EXIF does not tell apart: each picture's
        own could not be found from so few."""
        import pycolmap

        few = len(self.names) <= FEW
        if few and len({taken_with(self.folder / name) for name in self.names}) == 1:
            return pycolmap.CameraMode.SINGLE
        return pycolmap.CameraMode.AUTO

    def tell_focal(self) -> None:
        """What lines say of the focal length, where EXIF says nothing and pictures are few."""
        import pycolmap

        if len(self.names) > FEW:
            return
        with pycolmap.Database.open(self.database) as database:
            cameras = [c for c in database.read_all_cameras() if not c.has_prior_focal_length]
            pictures = [self.folder / name for name in self.names] if cameras else []
            share = expected_focal(pictures, lambda: bool(self.stop.is_cancelled))
            for camera in cameras:  # COLMAP's own first guess is a lens that few people have
                focal = (share or DEFAULT_FOCAL) * max(camera.width, camera.height)
                camera.params = [focal, *camera.params[1:]]
                camera.has_prior_focal_length = share is not None
                database.update_camera(camera)

    def match(self) -> None:
        import pycolmap

        many = len(self.names) > EXHAUSTIVE
        compare: Any = pycolmap.match_sequential if many else pycolmap.match_exhaustive
        compare(self.database, device=pycolmap.Device.cpu, cancellation_token=self.stop)

    def map_into(self, models: Path) -> None:
        import pycolmap

        options = pycolmap.IncrementalPipelineOptions()
        if len(self.names) <= FEW:
            options.min_model_size = FEWEST
            options.mapper.init_min_tri_angle = 4.0
            options.mapper.init_min_num_inliers = 50
            options.triangulation.ignore_two_view_tracks = False
        pycolmap.incremental_mapping(
            self.database, self.folder, models, options, next_image_callback=self._one_more,
            cancellation_token=self.stop,
        )  # fmt: skip

    @property
    def share_placed(self) -> float:
        """Of the pictures; never all, for bundles are adjusted after the last."""
        return min(self.placed / len(self.names), 0.95)

    def _one_more(self) -> None:
        self.placed += 1


def taken_with(picture: Path) -> tuple[object, ...]:
    """Size, and camera and focal length where EXIF names them."""
    try:
        with Image.open(picture) as image:
            exif = image.getexif()
            lens = exif.get_ifd(_EXIF_IFD)
            return image.size, exif.get(_MODEL), lens.get(_FOCAL), lens.get(_FOCAL_35MM)
    except (OSError, ValueError, SyntaxError):
        return (picture.name,)  # COLMAP will say what is wrong with it


def expected_focal(
    pictures: list[Path], stopped: Callable[[], bool] = lambda: False
) -> float | None:
    """Focal length by the longer side, the median of what the pictures' lines say; None where
    they say nothing clear, or each something else."""
    found = []
    for picture in pictures:
        if stopped():
            return None
        photo = read_photo(picture, WORKING_SIDE, min_side=1, upright=False)
        _, match = straighten_and_match(photo)
        if match.focal_known and match.confidence > SURE:
            zoom = straightening_zoom(match.distortion, *photo.size)
            found.append(match.focal / zoom / max(photo.size))
    agree = len(found) > 0 and max(found) < AGREED * min(found)
    return float(np.median(found)) if agree else None


def _largest(models: Path, name: str, count: int) -> tuple[Path, list[str]]:
    """The model of the most of `count` pictures, and a note of those that are not in it.

    Raises InputError when no model has enough.
    """
    import pycolmap

    found = {
        place: pycolmap.Reconstruction(str(place)).reg_image_ids()
        for place in models.iterdir()
        if (place / "images.bin").is_file()
    }
    if not found or max(len(ids) for ids in found.values()) < FEWEST:
        raise InputError(
            f"The pictures in '{name}' could not be joined; take more of the same place, "
            "with a step aside between them and most of each in the next."
        )
    best = max(found, key=lambda place: len(found[place]))
    left = count - len(found[best])
    notes = [f"{left} of {count} pictures could not be joined to the others."] if left else []
    return best, notes


def _step(
    work: Callable[[], None],
    stop: Any,
    done: Callable[[], float],
    progress: Progress,
    text: str,
) -> None:
    """Runs one of COLMAP's long calls beside this thread, which reports and can stop it."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            progress(done(), text)
            thread.join(0.3)
    except BaseException:
        stop.cancel()
        thread.join(30)
        raise
    if failed and isinstance(failed[0], WorldFMError):
        raise failed[0]
    if failed:
        raise InputError(
            f"COLMAP could not use these pictures ({' '.join(str(failed[0]).split())[:160]}); "
            "remove those that show something else."
        ) from failed[0]
    progress(1.0, text)
