# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of photos without cameras: COLMAP finds these, from features to a model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
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

    names = _usable_pictures(folder)
    pycolmap.logging.minloglevel = 3
    pycolmap.set_random_seed(0)
    models = work / "models"
    models.mkdir()
    colmap = _Colmap(folder, names, work / "database.db", pycolmap.CancellationToken())
    steps: list[tuple[str, float, Callable[[], None], Callable[[], float]]] = [
        ("Finding features", 0.35, colmap.find_features, lambda: 0.5),
        ("Comparing pictures", 0.65, colmap.match, lambda: 0.5),
        ("Placing cameras", 1.0, lambda: colmap.map_into(models), lambda: colmap.share_placed),
    ]
    began = 0.0
    for text, end, call, done in steps:
        _step(call, colmap.stop, done, part(progress, began, end), text)
        began = end
    return _largest(models, folder.name, len(names))


def _usable_pictures(folder: Path) -> list[str]:
    """Their names. Raises InputError when they are too few, or one is too large."""
    pictures = pictures_in(folder)
    if len(pictures) < FEWEST:
        raise InputError(
            f"'{folder.name}' has {len(pictures)} pictures; at least {FEWEST} of one place are "
            "needed, taken from different places."
        )
    for picture in pictures:
        check_picture_size(picture)
    return [picture.name for picture in pictures]


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
            camera_mode=pycolmap.CameraMode.AUTO, device=pycolmap.Device.cpu,
            cancellation_token=self.stop,
        )  # fmt: skip

    def match(self) -> None:
        import pycolmap

        many = len(self.names) > EXHAUSTIVE
        compare: Any = pycolmap.match_sequential if many else pycolmap.match_exhaustive
        compare(self.database, device=pycolmap.Device.cpu, cancellation_token=self.stop)

    def map_into(self, models: Path) -> None:
        import pycolmap

        pycolmap.incremental_mapping(
            self.database, self.folder, models, next_image_callback=self._one_more,
            cancellation_token=self.stop,
        )  # fmt: skip

    @property
    def share_placed(self) -> float:
        """Of the pictures; never all, for bundles are adjusted after the last."""
        return min(self.placed / len(self.names), 0.95)

    def _one_more(self) -> None:
        self.placed += 1


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
    if failed:
        raise InputError(
            f"COLMAP could not use these pictures ({' '.join(str(failed[0]).split())[:160]}); "
            "remove those that show something else."
        ) from failed[0]
    progress(1.0, text)
