# SPDX-License-Identifier: GPL-3.0-or-later
"""Views of procedural scenes that the embedded depth network learns from: rendered, kept, cropped.

Lengths are in camera heights above the ground, directions in the level frame, as the network has
them.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from ..data.nerfstudio import read_dataset
from ..data.synth import KINDS, Scene, fly_path, make_scene, render_depth, render_view
from ..models.depth import level_directions
from ..models.depth_net import LOG_FAR, LOG_NEAR
from ..shared.camera import Camera, facing, intrinsics
from ..shared.errors import InputError
from ..shared.files import replacing

RENDERED = ((160, 120), (160, 120), (120, 160), (192, 108))
"""Width and height of the views that are rendered."""
HELD_OUT_SEED = 10_000_000
"""Scenes with seeds from here on are never trained on."""
FLIGHTS, VIEWS_PER_FLIGHT = 8, 2
"""Places in a scene, and views from about each."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One view, or a batch of them with a leading axis.

    image: (3, H, W) in [0, 1] sRGB. directions: (3, H, W) unit, level frame. log_distance:
    (H, W), camera heights. ground, sky: (H, W) bool.
    """

    image: Tensor
    directions: Tensor
    log_distance: Tensor
    ground: Tensor
    sky: Tensor


def ground_height(scene: Scene, position: np.ndarray) -> float | None:
    """The world z, metres, below (3,) `position`: the lowest common level of a wide view down."""
    c2w = np.diag([1.0, -1.0, -1.0, 1.0])
    c2w[:3, 3] = position
    camera = Camera(intrinsics(math.radians(70), 16, 16), c2w, 16, 16)
    depth = render_depth(scene, camera).numpy()
    seen = np.isfinite(depth) & (depth > 0)
    if seen.sum() < 64:
        return None
    return float(position[2] - np.percentile(depth[seen], 80))


def random_view(camera: Camera, rng: random.Random, size: tuple[int, int]) -> Camera:
    """Where `camera` stands, looking in a direction a photographer would choose."""
    yaw = math.atan2(camera.c2w[0, 2], camera.c2w[1, 2]) + rng.gauss(0, 0.7)
    steep = rng.random() < 0.15  # panoramas are cut into views that look up and down too
    pitch = rng.uniform(-1.2, 1.0) if steep else rng.gauss(-0.08, 0.16)
    roll = rng.gauss(0, 0.03)
    c2w = np.eye(4)
    c2w[:3, :3] = facing(yaw, pitch, roll)
    c2w[:3, 3] = camera.position
    width, height = size
    fov = math.radians(rng.uniform(38, 95)) * min(1.0, width / height + 0.15)
    return Camera(intrinsics(fov, width, height), c2w, width, height)


def footed(views: Sample) -> Tensor:
    """(B, H, W) bool of a batch: what stands on ground that is seen below it, column by column.

    Where it stands is known from its foot alone, at any scale of what else is in the picture.
    """
    down = (-views.directions[:, 2]).clamp_min(math.exp(-LOG_FAR))
    step = 0.05 + (-down.log()).diff(dim=1).abs()
    near = (views.log_distance.diff(dim=1).abs() < step) & ~views.sky[:, :-1]
    found = torch.zeros_like(views.sky)
    for row in reversed(range(found.shape[1] - 1)):
        held = near[:, row] & (views.ground[:, row + 1] | found[:, row + 1])
        found[:, row] = held & ~views.ground[:, row]
    return found


def make_sample(scene: Scene, camera: Camera, ground: float) -> Sample | None:
    """Renders one view; None when it shows nothing to learn from (a wall right at the lens)."""
    rgb, depth = render_view(scene, camera, antialias=False)
    return as_sample(camera, rgb, depth, ground)


def as_sample(camera: Camera, rgb: Tensor, depth: Tensor, ground: float) -> Sample | None:
    """A view as it is learnt from; None when it shows nothing, see `make_sample`.

    rgb: (H, W, 3) in [0, 1]. depth: (H, W) z-depth, metres; +inf = sky. ground: its z, metres.
    """
    height = camera.position[2] - ground
    directions = torch.from_numpy(level_directions(camera))
    forward = torch.from_numpy(camera.rays()).norm(dim=2)  # distance along the ray per z-depth
    sky = torch.isinf(depth)
    distance = torch.where(sky | (depth <= 0), torch.ones_like(depth), depth * forward / height)
    log_distance = distance.log().clamp(LOG_NEAR, LOG_FAR)
    z = distance * directions[..., 2] + 1.0  # camera heights above the ground
    on_ground = (z.abs() < 0.03 + 0.02 * distance.clamp_max(8)) & (directions[..., 2] < 0) & ~sky
    if sky.float().mean() > 0.9 or (log_distance[~sky].median() < -1.6):
        return None
    return Sample(
        rgb.permute(2, 0, 1), directions.permute(2, 0, 1).contiguous(), log_distance, on_ground, sky
    )


def scene_samples(
    kind: str,
    seed: int,
    size: tuple[int, int],
    flights: int,
    per_flight: int,
    rng: random.Random,
) -> list[Sample]:
    """Up to flights * per_flight views of one scene, all of one size."""
    scene = make_scene(kind, seed)
    found = []
    for flight in range(seed, seed + flights):
        for camera in fly_path(scene, flight, per_flight, size):
            ground = ground_height(scene, camera.position)
            if ground is None or not 0.25 < camera.position[2] - ground < 30:
                continue
            sample = make_sample(scene, random_view(camera, rng, size), ground)
            if sample is not None:
                found.append(sample)
    return found


def crops(views: Sample, size: tuple[int, int], generator: torch.Generator) -> Sample:
    """Random parts of a batch of views at `size` (width, height), their rays with them.

    Parts are zoomed, turned and stretched a little; half of them are mirrored.
    """
    count, height, width = views.sky.shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    across = min(1.0, size[0] / size[1] * height / width)  # the widest part of this aspect
    up = across * width / height * size[1] / size[0]
    zoom, stretch = uniform(0.7, 1.0), uniform(0.9, 1.0)
    half_x, half_y = across * zoom * stretch, up * zoom
    angle = 0.06 * torch.randn(count, generator=generator)
    centre_x = uniform(-1, 1) * (1 - half_x).clamp_min(0)
    centre_y = uniform(-1, 1) * (1 - half_y).clamp_min(0)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin, aspect = angle.cos(), angle.sin(), width / height
    rows = [half_x * mirror * cos, -half_y * sin / aspect, centre_x,
            half_x * mirror * sin * aspect, half_y * cos, centre_y]  # fmt: skip
    affine = torch.stack(rows, dim=1).view(count, 2, 3)
    grid = F.affine_grid(affine, [count, 1, size[1], size[0]], align_corners=False)

    def look(maps: Tensor, mode: str) -> Tensor:
        return F.grid_sample(maps, grid, mode, padding_mode="border", align_corners=False)

    smooth = look(torch.cat([views.image, views.directions], dim=1), "bilinear")
    exact = torch.stack([views.log_distance, views.ground.float(), views.sky.float()], dim=1)
    exact = look(exact, "nearest")
    directions = smooth[:, 3:] * torch.stack([mirror, *torch.ones(2, count)], 1)[..., None, None]
    return Sample(smooth[:, :3], F.normalize(directions, dim=1), exact[:, 0], exact[:, 1] > 0,
                  exact[:, 2] > 0)  # fmt: skip


def resized(views: Sample, size: tuple[int, int]) -> Sample:
    """A batch of views at `size` (width, height)."""
    shape = (size[1], size[0])
    smooth = torch.cat([views.image, views.directions], dim=1)
    smooth = F.interpolate(smooth, shape, mode="bilinear", antialias=True)
    exact = torch.stack([views.log_distance, views.ground.float(), views.sky.float()], dim=1)
    exact = F.interpolate(exact, shape, mode="nearest-exact")
    directions = F.normalize(smooth[:, 3:], dim=1)
    return Sample(smooth[:, :3], directions, exact[:, 0], exact[:, 1] > 0, exact[:, 2] > 0)


def collate(samples: list[Sample]) -> Sample:
    """The samples stacked."""
    return Sample(
        *(torch.stack([getattr(s, name) for s in samples]) for name in Sample.__annotations__)
    )


def render_scenes(folder: Path, minutes: float, seed: int) -> Iterator[float]:
    """Renders scene after scene of every kind into `folder` for `minutes`; yields after each the
    seconds that are spent."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    until = began + 60 * minutes
    rng = random.Random(seed)
    for kind in cycle(KINDS):
        if time.monotonic() >= until:
            return
        scene_seed = rng.randrange(HELD_OUT_SEED)
        path = folder / f"{kind}-{scene_seed:08d}.safetensors"
        if path.exists():
            continue
        size = rng.choice(RENDERED)
        samples = scene_samples(kind, scene_seed, size, FLIGHTS, VIEWS_PER_FLIGHT, rng)
        if samples:
            write_views(path, collate(samples))
        yield time.monotonic() - began


def capture_samples(folder: Path) -> list[Sample]:
    """The views of a capture with depth whose ground is z = 0. Raises InputError."""
    found = []
    for frame in read_dataset(folder):
        if frame.depth is None:
            raise InputError(f"'{folder}' has pictures without depth; choose a capture with depth.")
        if frame.camera.position[2] < 0.25:
            continue
        rgb = torch.from_numpy(frame.rgb).float() / 255
        sample = as_sample(frame.camera, rgb, torch.from_numpy(frame.depth), ground=0.0)
        if sample is not None:
            found.append(sample)
    return found


def add_captures(folder: Path, captures: Iterable[Path]) -> Iterator[Path]:
    """Writes the views of captures, all pictures of each of one size, to `folder`; yields each."""
    folder.mkdir(parents=True, exist_ok=True)
    for capture in captures:
        path = folder / f"{capture.name}.safetensors"
        samples = [] if path.exists() else capture_samples(capture)
        if samples:
            write_views(path, collate(samples))
        yield capture


def write_views(path: Path, batch: Sample) -> None:
    """A scene's views in one file, written beside, then renamed."""
    with replacing(path) as part:
        save_file(compact(batch), part)


def compact(batch: Sample) -> dict[str, Tensor]:
    """The fields (B, ...) of a batch as bytes and half floats."""
    return {
        "image": (batch.image * 255 + 0.5).to(torch.uint8).contiguous(),
        "directions": batch.directions.half().contiguous(),
        "log_distance": batch.log_distance.half().contiguous(),
        "ground": batch.ground.contiguous(),
        "sky": batch.sky.contiguous(),
    }


def expanded(fields: dict[str, Tensor]) -> Sample:
    """The batch whose fields (B, ...) `compact` packed."""
    return Sample(
        fields["image"].float() / 255,
        fields["directions"].float(),
        fields["log_distance"].float(),
        fields["ground"],
        fields["sky"],
    )


class Views:
    """All rendered views at about `pixels` each, compact in memory, drawn at random."""

    def __init__(self, folder: Path, pixels: int) -> None:
        shapes: dict[tuple[int, int], list[dict[str, Tensor]]] = {}
        for path in sorted(folder.glob("*.safetensors")):
            views = expanded(load_file(path))
            height, width = views.sky.shape[1:]
            scale = min(1.0, math.sqrt(pixels / (width * height)))
            views = resized(views, (round(width * scale), round(height * scale)))
            size = views.sky.shape[1], views.sky.shape[2]
            shapes.setdefault(size, []).append(compact(views))
        self.groups = [
            {name: torch.cat([scene[name] for scene in scenes]) for name in scenes[0]}
            for scenes in shapes.values()
        ]

    def __len__(self) -> int:
        return sum(len(group["sky"]) for group in self.groups)

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Sample:
        """A batch of crops of `size` (width, height)."""
        shares = torch.tensor([float(len(group["sky"])) for group in self.groups])
        group = self.groups[int(torch.multinomial(shares, 1, generator=generator))]
        chosen = torch.randint(len(group["sky"]), (count,), generator=generator)
        views = expanded({name: array[chosen] for name, array in group.items()})
        return crops(views, size, generator)
