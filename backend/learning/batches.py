# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches from folders of cached samples: cropped, mirrored, recoloured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..conditioning.channels import HINTS, MEMORY_IMAGE
from ..conditioning.memory.sampling import usable
from ..models.frame_model import LATENT_STRIDE, TOKEN_STRIDE
from ..models.prope import ViewEncoding, encode_view
from ..shared.camera import Camera
from ..shared.errors import InputError
from .samples import Sample

RESCAN_BATCHES = 50
"""A cache may grow while it is read: look for new samples this often."""
_IMAGES = ("target", "hints", "noise", "memory")
_MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


@dataclass(eq=False)
class Batch:
    """B samples with R memory frames each. C hints, see `channels`.

    target (B, 3, H, W); hints (B, C, H, W); noise (B, 2, N, H/8, W/8); memory (R, B, 5, h, w):
    float16 while it travels, as on disk, float32 where it is trained on (`to`).
    """

    target: torch.Tensor
    hints: torch.Tensor
    noise: torch.Tensor
    memory: torch.Tensor
    view: ViewEncoding
    memory_views: list[ViewEncoding]

    def to(self, device: torch.device) -> Batch:
        """Ready to train on, on a device."""
        moved = self._images_by(lambda image: image.to(device, non_blocking=True).float())
        views = [view.to(device, torch.float32) for view in (self.view, *self.memory_views)]
        return replace(moved, view=views[0], memory_views=views[1:])

    def pin_memory(self) -> Batch:
        """In memory that an accelerator reads by itself; a DataLoader calls this."""
        return self._images_by(torch.Tensor.pin_memory)

    def _images_by(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """The same batch, each of its images changed."""
        return replace(
            self,
            target=change(self.target),
            hints=change(self.hints),
            noise=change(self.noise),
            memory=change(self.memory),
        )

    @property
    def base(self) -> torch.Tensor:
        """(B, 3, H, W): what memory shows, smoothly continued."""
        return HINTS.of(self.hints, "base")

    @property
    def fill(self) -> torch.Tensor:
        """(B, 3, H, W): what memory shows, and what alike surfaces show elsewhere."""
        return HINTS.of(self.hints, "fill")

    @property
    def weight(self) -> torch.Tensor:
        """(B, 1, H, W): how surely memory saw the pixel."""
        return HINTS.of(self.hints, "memory_weight")


class SampleBatches(IterableDataset):
    """Endless random batches. Raises InputError when the folders hold no usable sample."""

    def __init__(
        self, folders: list[Path], batch: int, crop: int, head_dim: int, seed: int | tuple[int, ...]
    ) -> None:
        self.folders, self.batch, self.crop = folders, batch, crop
        self.head_dim, self.seed = head_dim, seed
        self.files = _scan(folders)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng(np.append(self.seed, worker.id if worker else 0))
        if worker:
            torch.set_num_threads(1)
        count = 0
        while True:
            if count % RESCAN_BATCHES == 0:
                self.files = _scan(self.folders)
            count += 1
            kinds = {kind: len(paths) for kind, paths in self.files.items()}
            total = sum(kinds.values())
            kind = str(rng.choice(list(kinds), p=[n / total for n in kinds.values()]))
            paths = rng.choice(self.files[kind], self.batch)
            samples = [self._augmented(Path(path), rng) for path in paths]
            yield collate(samples, self.head_dim)

    def _augmented(self, path: Path, rng: np.random.Generator) -> Sample:
        sample = crop_sample(Sample.load(path), self.crop, rng)
        if rng.random() < 0.5:
            sample = mirror_sample(sample)
        return recolor_sample(sample, rng)


def collate(samples: list[Sample], head_dim: int) -> Batch:
    """Samples of one size and number of memory frames, as a batch. head_dim: the model's."""

    def views(cameras: list[Camera]) -> ViewEncoding:
        return ViewEncoding.stack(
            [
                encode_view(
                    camera,
                    (camera.height // TOKEN_STRIDE, camera.width // TOKEN_STRIDE),
                    sample.scale,
                    head_dim,
                )
                for camera, sample in zip(cameras, samples, strict=True)
            ]
        )

    memory_cameras = zip(*(sample.memory_cameras() for sample in samples), strict=True)
    return Batch(
        target=torch.stack([s.target for s in samples]).half(),
        hints=torch.stack([s.hints for s in samples]).half(),
        noise=torch.stack([s.noise for s in samples]).half(),
        memory=torch.stack([s.memory for s in samples], dim=1).half(),
        view=views([s.camera() for s in samples]),
        memory_views=[views(list(cameras)) for cameras in memory_cameras],
    )


def _scan(folders: list[Path]) -> dict[str, list[str]]:
    """Paths of samples by what their names end with: how many references, and of what size."""
    files: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        for path in sorted(folder.glob("*-r*.safetensors")):
            files[path.stem.rsplit("-r", 1)[1]].append(str(path))
    if not files:
        names = ", ".join(str(folder) for folder in folders)
        raise InputError(f"There are no training samples in {names}; make some first.")
    return dict(files)


def crop_sample(sample: Sample, side: int, rng: np.random.Generator) -> Sample:
    """The sample itself, cut to a square of `side` at a place drawn by `rng`."""
    height, width = sample.target.shape[-2:]
    if min(height, width) < side:
        raise InputError(
            f"A sample of {width} x {height} pixels is smaller than the crop of {side}; lower it."
        )
    x = int(rng.integers(0, (width - side) // TOKEN_STRIDE + 1)) * TOKEN_STRIDE
    y = int(rng.integers(0, (height - side) // TOKEN_STRIDE + 1)) * TOKEN_STRIDE
    latent = [slice(v // LATENT_STRIDE, (v + side) // LATENT_STRIDE) for v in (y, x)]
    camera = sample.camera().cropped(x, y, side, side)
    sample.target = sample.target[:, y : y + side, x : x + side]
    sample.hints = sample.hints[:, y : y + side, x : x + side]
    sample.noise = sample.noise[:, :, latent[0], latent[1]]
    sample.K = torch.from_numpy(camera.K)
    return sample


def mirror_sample(sample: Sample) -> Sample:
    """The mirrored world: pictures flipped, cameras on the other side of x = 0."""

    def flipped(K: torch.Tensor, c2w: torch.Tensor, width: int) -> tuple[torch.Tensor, ...]:
        K = K.clone()
        K[..., 0, 2] = width - K[..., 0, 2]
        mirror = torch.from_numpy(_MIRROR)
        return K, mirror @ c2w @ mirror

    sample.K, sample.c2w = flipped(sample.K, sample.c2w, sample.target.shape[-1])
    width = sample.memory.shape[-1]
    sample.memory_K, sample.memory_c2w = flipped(sample.memory_K, sample.memory_c2w, width)
    for name in _IMAGES:
        setattr(sample, name, getattr(sample, name).flip(-1))
    for layout, told in ((HINTS, sample.hints), (MEMORY_IMAGE, sample.memory)):
        told[..., layout.mirrored(), :, :] *= -1
    return sample


def recolor_sample(sample: Sample, rng: np.random.Generator) -> Sample:
    """One change of colours for all pictures of the sample: channels swapped, gain, offset."""
    order = torch.from_numpy(rng.permutation(3))
    gain = torch.from_numpy(rng.uniform(0.75, 1.05, (3, 1, 1)).astype(np.float32))
    offset = (1 - gain) * torch.from_numpy(rng.uniform(-0.8, 0.8, (3, 1, 1)).astype(np.float32))

    def change(color: torch.Tensor, mask: torch.Tensor | float = 1.0) -> torch.Tensor:
        return color[..., order, :, :] * gain + offset * mask

    for channel in HINTS.colors():
        # usable() of a mask that is 0 or 1 is the mask
        mask = usable(HINTS.of(sample.hints, channel.mask)) if channel.mask else 1.0
        color = HINTS.of(sample.hints, channel.name)
        color.copy_(change(color, mask))
    sample.target = change(sample.target)
    picture = MEMORY_IMAGE.of(sample.memory, "rgb")
    picture.copy_(change(picture))
    return sample
