# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural scenes written as datasets, one folder a scene; stops and goes on at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..serving.device_errors import is_out_of_memory
from ..shared.errors import InputError, OutOfMemoryError
from .nerfstudio import PosedFrame, write_dataset
from .synth import KINDS, fly_path, make_scene, render_view

RESERVED_SEED = 9_000_000
"""Seeds from here on are for validation; training keeps below 1,000,000."""


@dataclass(frozen=True)
class SceneJob:
    """One scene to write: `views` pictures of `size` (width, height) pixels into `folder`."""

    folder: Path
    kind: str
    seed: int
    views: int
    size: tuple[int, int]


def plan(
    folder: Path, kinds: list[str], scenes: int, views: int, size: tuple[int, int], seed: int
) -> list[SceneJob]:
    """The jobs for `scenes` scenes, kinds in turn. Raises InputError for impossible wishes."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise InputError(
            f"There is no scene kind '{', '.join(unknown)}'; choose from {', '.join(KINDS)}."
        )
    if scenes < 1 or views < 1 or min(size) < 8:
        raise InputError("Ask for at least 1 scene, 1 view and 8 x 8 pixels.")
    if seed < 0:
        raise InputError("The seed must be 0 or larger.")
    jobs = []
    for i in range(scenes):
        kind = kinds[i % len(kinds)]
        name = f"{kind}-{seed + i:07d}"
        jobs.append(SceneJob(Path(folder) / name, kind, seed + i, views, size))
    return jobs


def is_written(job: SceneJob) -> bool:
    """Whether the scene's folder is complete (folders appear only when they are)."""
    return (job.folder / "transforms.json").is_file()


def write_scene(
    job: SceneJob,
    device: str,
    on_view: Callable[[], None] = lambda: None,
    photos: Sequence[np.ndarray] = (),
) -> None:
    """Renders one scene into its folder, which appears when all its views are done.

    photos: (H, W, 3) uint8 each, that textures may be taken from.
    """

    def frames() -> Iterator[PosedFrame]:
        scene = make_scene(job.kind, job.seed, photos)
        for i, camera in enumerate(fly_path(scene, job.seed, job.views, job.size)):
            rgb, depth = render_view(scene, camera, device)
            picture = (rgb * 255 + 0.5).to(torch.uint8).cpu().numpy()
            yield PosedFrame(camera, picture, depth.cpu().numpy().astype(np.float32), f"{i:04d}")
            on_view()

    try:
        write_dataset(job.folder, frames())
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            "The device ran out of memory; lower --size or choose --device cpu."
        ) from error
