# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples: one target view with the conditions that inference would build for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..conditioning.anchors.lifting import lift
from ..conditioning.anchors.point_renderer import PointCloud
from ..conditioning.conditions import build_conditions, world_scale
from ..conditioning.hints import hints_of
from ..conditioning.memory.images import MemoryImages
from ..conditioning.noise import latent_noise
from ..data.nerfstudio import PosedFrame
from ..models.frame_model import LATENT_STRIDE
from ..models.memory_input import memory_camera, memory_image
from ..shared.anchors import Anchors
from ..shared.camera import Camera
from ..shared.errors import InputError
from ..shared.files import replacing
from ..shared.frame import MemoryFrame

NOISE_CHANNELS = 8
"""Channels of a sample's latent noise; a model with fewer latent channels takes the first."""


@dataclass(eq=False)
class Sample:
    """One training example, float16 on disk. C hints, see `channels`.

    target (3, H, W) in [-1, 1]; hints (C, H, W); noise (2, 8, H/8, W/8): one for each step.
    memory (R, 5, h, w) with cameras memory_K (R, 3, 3), memory_c2w (R, 4, 4); K, c2w: the target's.
    """

    target: torch.Tensor
    hints: torch.Tensor
    noise: torch.Tensor
    memory: torch.Tensor
    memory_K: torch.Tensor
    memory_c2w: torch.Tensor
    K: torch.Tensor
    c2w: torch.Tensor
    scale: float

    def camera(self) -> Camera:
        """The target's camera."""
        height, width = self.target.shape[-2:]
        return Camera(self.K.numpy(), self.c2w.numpy(), width, height)

    def memory_cameras(self) -> list[Camera]:
        """The cameras of the memory images."""
        height, width = self.memory.shape[-2:]
        pairs = zip(self.memory_K.numpy(), self.memory_c2w.numpy(), strict=True)
        return [Camera(K, c2w, width, height) for K, c2w in pairs]

    def save(self, path: Path) -> None:
        """Write beside, then rename."""
        tensors = {
            "target": ((self.target + 1) * 127.5).round().clamp(0, 255).to(torch.uint8),
            "hints": self.hints.half(),
            "noise": self.noise.half(),
            "memory": self.memory.half(),
            "memory_K": self.memory_K,
            "memory_c2w": self.memory_c2w,
            "K": self.K,
            "c2w": self.c2w,
            "scale": torch.tensor(self.scale, dtype=torch.float64),
        }
        with replacing(path) as part:
            save_file({key: value.contiguous() for key, value in tensors.items()}, part)

    @classmethod
    def load(cls, path: Path) -> Sample:
        """Raises InputError when the file is damaged."""
        try:
            with safe_open(path, "pt") as file:
                t = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return cls(
                target=t["target"].float() / 127.5 - 1,
                hints=t["hints"].float(),
                noise=t["noise"].float(),
                memory=t["memory"].float(),
                memory_K=t["memory_K"],
                memory_c2w=t["memory_c2w"],
                K=t["K"],
                c2w=t["c2w"],
                scale=float(t["scale"]),
            )
        except (SafetensorError, KeyError, OSError) as error:
            raise InputError(f"The sample '{path}' is damaged ({error}); delete it.") from error


@dataclass(eq=False)
class SampleWorld:
    """What some references tell: points, memory images, and what the transformer is shown of them.

    Several targets may be asked of one world; what is found in it is kept with it.
    """

    cloud: PointCloud
    images: MemoryImages
    shown: torch.Tensor
    cameras: list[Camera]
    scale: float

    @classmethod
    def draw(
        cls,
        frames: list[PosedFrame],
        references: list[int],
        whole: bool,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> SampleWorld:
        """The world of the `references` among `frames`, all of one scene, on `device`.

        whole: geometry comes from every frame's depth, as with an artist's proxies; their points
        have no colour. Otherwise it comes from the references' depth alone. Flaws of depth and
        missing points are drawn by `seed`.
        """
        rng = np.random.default_rng(seed)
        memory = [to_memory(frames[i], f"{i:04d}") for i in references]
        flawed = [flaw_depth(frame, rng) for frame in memory]
        others = [
            to_memory(frames[i], f"{i:04d}") for i in range(len(frames)) if i not in references
        ]
        anchors = world_anchors(flawed, others if whole else [])
        scale = world_scale(memory, anchors)
        return cls(
            PointCloud(_thin(anchors, rng), device),
            MemoryImages(flawed, device),
            torch.stack([memory_image(frame, scale) for frame in flawed]),
            [memory_camera(frame) for frame in memory],
            scale,
        )

    def sample(self, target: PosedFrame, seed: int) -> Sample:
        """The sample that shows `target`, on the CPU; its noise is drawn by `seed`."""
        camera = target.camera
        conditions = build_conditions(
            self.cloud, self.images, camera, references=len(self.cameras), scale=self.scale
        )
        view, depth = conditions.view, conditions.depth
        noise = [
            latent_noise(view, depth, LATENT_STRIDE, NOISE_CHANNELS, 2 * seed + 1 + step)
            for step in range(2)
        ]
        return Sample(
            target=torch.from_numpy(target.rgb).permute(2, 0, 1).float() / 127.5 - 1,
            hints=hints_of(conditions, self.scale, seed).cpu(),
            noise=torch.stack(noise).cpu(),
            memory=self.shown,
            memory_K=torch.from_numpy(np.stack([c.K for c in self.cameras])),
            memory_c2w=torch.from_numpy(np.stack([c.c2w for c in self.cameras])),
            K=torch.from_numpy(camera.K),
            c2w=torch.from_numpy(camera.c2w),
            scale=self.scale,
        )


_remembered: WeakKeyDictionary[PosedFrame, MemoryFrame] = WeakKeyDictionary()


def to_memory(frame: PosedFrame, identity: str) -> MemoryFrame:
    """A dataset's frame as a memory frame, the same one each time: what is found in it is kept.

    Raises InputError when it has no depth.
    """
    if frame.depth is None:
        raise InputError(
            f"The frame '{frame.name}' has no depth; training needs depth_file_path for each frame."
        )
    if frame not in _remembered:
        memory = MemoryFrame(identity, frame.name, frame.camera, frame.rgb, frame.depth)
        _remembered[frame] = memory
    return _remembered[frame]


def world_anchors(references: list[MemoryFrame], others: list[MemoryFrame]) -> Anchors:
    """References' points with their colours, then the others' points without (black)."""
    colored = [lift(frame) for frame in references]
    return Anchors.concatenate(colored + [lift(frame).uncoloured() for frame in others])


def flaw_depth(frame: MemoryFrame, rng: np.random.Generator) -> MemoryFrame:
    """One in five frames gets the depth of an estimator: smoothly wrong by a few percent."""
    if rng.random() > 0.2 or frame.depth is None:
        return frame
    height, width = frame.depth.shape
    coarse = torch.from_numpy(rng.normal(0, 0.02, (1, 1, 4, 4)).astype(np.float32))
    error = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0, 0]
    depth = frame.depth * np.exp(error.numpy())
    return MemoryFrame(frame.id, frame.name, frame.camera, frame.rgb, depth.astype(np.float32))


def _thin(anchors: Anchors, rng: np.random.Generator) -> Anchors:
    """One world in ten is a sparse capture: most of its points are missing."""
    if rng.random() > 0.1 or not len(anchors):
        return anchors
    keep = rng.random(len(anchors)) < rng.uniform(0.15, 0.7)
    growth = np.float32(1 / np.sqrt(max(keep.mean(), 1e-3)))
    # sparse points leave gaps that are no sky
    return Anchors(anchors.xyz[keep], anchors.rgb[keep], anchors.radius[keep] * growth)


def choose_references(count: int, views: int, rng: np.random.Generator) -> list[int]:
    """`count` of `views` frames: evenly spread half of the time, at random otherwise."""
    if rng.random() < 0.5:
        return [int((i + 0.5) * views / count) for i in range(count)]
    return sorted(int(i) for i in rng.choice(views, count, replace=False))
