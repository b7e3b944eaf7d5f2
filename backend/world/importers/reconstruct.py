# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of photos without cameras: COLMAP finds these, from features to a model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...data.capture_views import ENDINGS
from ...data.pictures import check_picture_size
from ...shared.errors import InputError
from ..progress import Progress, part, silent

FEWEST = 3
EXHAUSTIVE = 80
"""Pictures up to which all pairs are compared; more are taken to be in the order of a walk."""
FEATURE_SIDE = 1600
FEATURES = 4096
_KINDS = tuple(dict.fromkeys(ending.lower() for ending in ENDINGS))


def pictures_in(folder: Path) -> list[Path]:
    """The pictures that lie in `folder` itself, by name."""
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if f.is_file() and f.suffix.lower() in _KINDS)


def reconstruct(folder: Path, work: Path, progress: Progress = silent) -> tuple[Path, list[str]]:
    """The folder of the largest model that COLMAP makes of the pictures in `folder`, and notes.

    work: an empty folder for its files. Raises InputError when the pictures are too few or do not
    show one place, Cancelled through `progress`.
    """
    import pycolmap

    pictures = pictures_in(folder)
    if len(pictures) < FEWEST:
        raise InputError(
            f"'{folder.name}' has {len(pictures)} pictures; at least {FEWEST} of one place are "
            "needed, taken from different places."
        )
    for picture in pictures:
        check_picture_size(picture)
    pycolmap.logging.minloglevel = 3
    pycolmap.set_random_seed(0)
    database, models = work / "database.db", work / "models"
    models.mkdir()
    names = [picture.name for picture in pictures]
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = FEATURE_SIDE
    extraction.sift.max_num_features = FEATURES
    stop = pycolmap.CancellationToken()

    def features() -> None:
        pycolmap.extract_features(
            database, folder, image_names=names, extraction_options=extraction,
            camera_mode=pycolmap.CameraMode.AUTO, device=pycolmap.Device.cpu,
            cancellation_token=stop,
        )  # fmt: skip

    def matches() -> None:
        many = len(names) > EXHAUSTIVE
        compare: Any = pycolmap.match_sequential if many else pycolmap.match_exhaustive
        compare(database, device=pycolmap.Device.cpu, cancellation_token=stop)

    placed = [0]

    def one_more() -> None:
        placed[0] += 1

    def models_of() -> None:
        pycolmap.incremental_mapping(
            database, folder, models, next_image_callback=one_more, cancellation_token=stop
        )

    def all_placed() -> float:
        return min(placed[0] / len(names), 0.95)

    _step(features, stop, lambda: 0.5, part(progress, 0.0, 0.35), "Finding features")
    _step(matches, stop, lambda: 0.5, part(progress, 0.35, 0.65), "Comparing pictures")
    _step(models_of, stop, all_placed, part(progress, 0.65, 1.0), "Placing cameras")
    found = {
        place: pycolmap.Reconstruction(str(place)).reg_image_ids()
        for place in models.iterdir()
        if (place / "images.bin").is_file()
    }
    if not found or max(len(ids) for ids in found.values()) < FEWEST:
        raise InputError(
            f"The pictures in '{folder.name}' could not be joined; take more of the same place, "
            "with a step aside between them and most of each in the next."
        )
    best = max(found, key=lambda place: len(found[place]))
    left = len(names) - len(found[best])
    notes = [f"{left} of {len(names)} pictures could not be joined to the others."] if left else []
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
    if failed:
        raise InputError(
            f"COLMAP could not use these pictures ({' '.join(str(failed[0]).split())[:160]}); "
            "remove those that show something else."
        ) from failed[0]
    progress(1.0, text)
