# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the embedded depth network on procedural scenes.

    python -m backend.training.depth render --out runs/depth --minutes 60
    python -m backend.training.depth train --out runs/depth --iterations 6000

Rendering writes the views of each scene to one file; training mixes crops of all that is there and
takes up new files as they come, so both can run side by side. Training keeps one checkpoint
(written beside, then renamed) and a log of one JSON object a line; starting the same command again
goes on from the checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from ..data.synth import fly_path, make_scene, render_view
from ..models.depth import level_directions
from ..models.depth_net import LOG_FAR, LOG_NEAR, DepthNet, save_depth_net
from ..shared.camera import Camera, intrinsics

KINDS = ("interior", "street", "landscape", "corridor", "still_life", "abstract")
RENDERED = ((192, 144), (192, 144), (144, 192), (224, 128))
"""Width and height of the views that are rendered."""
SIZES = ((96, 96), (96, 64), (64, 96), (128, 64), (128, 96))
"""Width and height that crops are trained at; photos are brought to about as many pixels."""
HELD_OUT_SEED = 10_000_000
"""Scenes with seeds from here on are never trained on."""
VIEWS_PER_SCENE = 12
MOST_VIEWS = 8000
"""Views kept in memory, about 0.36 MB each."""
REFRESHED_EVERY = 400
"""Iterations between looks for newly rendered scenes."""
MEASURED_EVERY = 500
"""Iterations between measurements on scenes that are held out."""


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


def ground_height(scene: object, position: np.ndarray) -> float | None:
    """The world z of what lies below `position`: the lowest common level of a wide view down."""
    c2w = np.diag([1.0, -1.0, -1.0, 1.0])
    c2w[:3, 3] = position
    camera = Camera(intrinsics(math.radians(70), 16, 16), c2w, 16, 16)
    _, depth = render_view(scene, camera, antialias=False)
    depth = depth.numpy()
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
    forward = np.array([math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch),
                        math.sin(pitch)])  # fmt: skip
    right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    down = np.cross(forward, right)
    c2w = np.eye(4)
    c2w[:3, 0] = math.cos(roll) * right + math.sin(roll) * down
    c2w[:3, 1] = math.cos(roll) * down - math.sin(roll) * right
    c2w[:3, 2] = forward
    c2w[:3, 3] = camera.position
    width, height = size
    fov = math.radians(rng.uniform(38, 95)) * min(1.0, width / height + 0.15)
    return Camera(intrinsics(fov, width, height), c2w, width, height)


def make_sample(scene: object, camera: Camera, ground: float) -> Sample | None:
    """Renders one view; None when it shows nothing to learn from (a wall right at the lens)."""
    height = camera.position[2] - ground
    rgb, depth = render_view(scene, camera, antialias=False)
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
    kind: str, seed: int, size: tuple[int, int], count: int, rng: random.Random
) -> list[Sample]:
    """Up to `count` views of one scene, all of one size."""
    scene = make_scene(kind, seed)
    found = []
    for camera in fly_path(scene, seed, count, size):
        ground = ground_height(scene, camera.position)
        if ground is None or not 0.25 < camera.position[2] - ground < 30:
            continue
        sample = make_sample(scene, random_view(camera, rng, size), ground)
        if sample is not None:
            found.append(sample)
    return found


def augment(image: Tensor, generator: torch.Generator) -> Tensor:
    """Other lights, films and lenses: (B, 3, H, W) in [0, 1] to the same."""
    b = len(image)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    exposure = uniform(0.7, 1.35, b, 1, 1, 1)
    balance = uniform(0.8, 1.25, b, 3, 1, 1)
    x = (image * exposure * balance).clamp(1e-4, 1.0) ** uniform(0.7, 1.4, b, 1, 1, 1)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * uniform(0.2, 1.3, b, 1, 1, 1)
    x = x.mean(dim=(1, 2, 3), keepdim=True) * (1 - (c := uniform(0.6, 1.3, b, 1, 1, 1))) + x * c
    patches = F.interpolate(
        torch.randn(b, 1, 6, 6, generator=generator), size=image.shape[-2:], mode="bicubic"
    )
    x = x * (1 + patches * uniform(0.0, 0.15, b, 1, 1, 1))  # light and dirt that are no shape
    grain = torch.randn(x.shape, generator=generator) * uniform(0.0, 0.03, b, 1, 1, 1)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    soft = (torch.rand(b, 1, 1, 1, generator=generator) < 0.3).float()
    return (x * (1 - soft) + blurred * soft + grain).clamp(0, 1)


def depth_loss(out: Tensor, batch: Sample) -> dict[str, Tensor]:
    """The parts of the loss; their sum is minimised. `batch` has stacked fields."""
    solid = (~batch.sky).float()
    error = (out[:, 0] - batch.log_distance) * solid
    share = solid.mean().clamp_min(1e-3)
    # the scale of a view without visible ground can hardly be known: the shape counts for more
    offset = error.sum(dim=(1, 2)) / solid.sum(dim=(1, 2)).clamp_min(1)
    shape = (error - offset[:, None, None] * solid).abs().mean() / share
    parts = {"shape": shape, "scale": 0.3 * offset.abs().mean()}
    gradient = out.new_zeros(())
    for step in (1, 4):
        both_x = solid[:, :, step:] * solid[:, :, :-step]
        both_y = solid[:, step:] * solid[:, :-step]
        gradient = gradient + ((error[:, :, step:] - error[:, :, :-step]).abs() * both_x).mean()
        gradient = gradient + ((error[:, step:] - error[:, :-step]).abs() * both_y).mean()
    parts["edges"] = 0.5 * gradient / share
    parts["ground"] = 0.2 * F.binary_cross_entropy_with_logits(out[:, 1], batch.ground.float())
    parts["sky"] = 0.2 * F.binary_cross_entropy_with_logits(out[:, 2], batch.sky.float())
    return parts


def crop(sample: Sample, size: tuple[int, int], rng: random.Random) -> Sample:
    """A part of a view at `size` (width, height), its rays with it; half of them mirrored."""
    height, width = sample.sky.shape
    aspect = size[0] / size[1]
    h = min(height, width / aspect) * rng.uniform(0.6, 1.0)
    top, left = (int(rng.random() * (full - part)) for full, part in
                 ((height, h), (width, h * aspect)))  # fmt: skip
    window = (slice(top, top + max(8, round(h))), slice(left, left + max(8, round(h * aspect))))
    shape = (size[1], size[0])
    smooth = torch.cat([sample.image, sample.directions])[(slice(None), *window)]
    smooth = F.interpolate(smooth[None], size=shape, mode="bilinear", antialias=True)[0]
    exact = torch.stack([sample.log_distance, sample.ground.float(), sample.sky.float()])
    exact = F.interpolate(exact[(slice(None), *window)][None], size=shape, mode="nearest")[0]
    image, directions = smooth[:3], smooth[3:]
    if rng.random() < 0.5:
        mirror = torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)
        image, directions, exact = image.flip(-1), directions.flip(-1) * mirror, exact.flip(-1)
    directions = F.normalize(directions, dim=0)
    return Sample(image, directions, exact[0], exact[1] > 0, exact[2] > 0)


def collate(samples: list[Sample]) -> Sample:
    """The samples stacked."""
    return Sample(
        *(torch.stack([getattr(s, name) for s in samples]) for name in Sample.__annotations__)
    )


# ---------------------------------------------------------------------------- views on disk


def render_scenes(out: Path, minutes: float, seed: int) -> None:
    """Renders scene after scene of every kind into out/views for `minutes`."""
    folder = out / "views"
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * minutes
    rng = random.Random(seed)
    while time.monotonic() < until:
        for kind in KINDS:
            scene_seed = rng.randrange(HELD_OUT_SEED)
            path = folder / f"{kind}-{scene_seed:08d}.safetensors"
            if path.exists():
                continue
            samples = scene_samples(kind, scene_seed, rng.choice(RENDERED), VIEWS_PER_SCENE, rng)
            if samples:
                _write_views(path, collate(samples))


def _write_views(path: Path, batch: Sample) -> None:
    arrays = {
        "image": (batch.image * 255 + 0.5).to(torch.uint8),
        "directions": batch.directions.half(),
        "log_distance": batch.log_distance.half(),
        "ground": batch.ground,
        "sky": batch.sky,
    }
    temporary = path.with_suffix(".tmp")
    save_file({name: array.contiguous() for name, array in arrays.items()}, temporary)
    temporary.replace(path)


class Views:
    """All rendered views, compact in memory, drawn at random."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[str] = set()
        self.views: list[Sample] = []

    def refresh(self) -> None:
        """Takes up the files that came since the last look."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name in self.seen or len(self.views) >= MOST_VIEWS:
                continue
            self.seen.add(path.name)
            arrays = load_file(path)
            self.views += [
                Sample(*(arrays[name][i] for name in Sample.__annotations__))
                for i in range(len(arrays["sky"]))
            ]

    def draw(self, count: int, rng: random.Random) -> Sample:
        """A batch of crops of one size."""
        size = rng.choice(SIZES)
        crops = []
        for view in rng.choices(self.views, k=count):
            full = Sample(
                view.image.float() / 255,
                view.directions.float(),
                view.log_distance.float(),
                view.ground,
                view.sky,
            )
            crops.append(crop(full, size, rng))
        return collate(crops)


# ---------------------------------------------------------------------------- measuring


def flat_guess(directions: np.ndarray, backdrop: float) -> np.ndarray:
    """(H, W) log distance of the plain guess: a flat ground, and a backdrop at one distance."""
    down = np.maximum(-directions[..., 2], 1e-6)
    return np.log(np.minimum(1.0 / down, backdrop))


def aligned_error(guess: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """Mean |log error| and mean relative error after the best single scale (the median)."""
    difference = guess[valid] - truth[valid]
    difference = difference - np.median(difference)
    return float(np.abs(difference).mean()), float(np.abs(np.exp(difference) - 1).mean())


def held_out_samples(scenes: int, views: int) -> dict[str, list[Sample]]:
    """Views of `scenes` scenes of every kind that are never trained on, the same at every call."""
    rng = random.Random(1)
    return {
        kind: [
            sample
            for index in range(scenes)
            for sample in scene_samples(kind, HELD_OUT_SEED + index, (128, 96), views, rng)
        ]
        for kind in KINDS
    }


@torch.no_grad()
def evaluate(net: DepthNet, held_out: dict[str, list[Sample]]) -> dict[str, dict[str, float]]:
    """Means over the views of every kind: the network, and the best flat guess there is.

    The flat guess is given the backdrop distance that suits each kind of scene best.
    """
    net.eval()
    table: dict[str, dict[str, float]] = {}
    for kind, samples in held_out.items():
        rows, guesses = [], []
        for sample in samples:
            out = net(sample.image[None] * 2 - 1, sample.directions[None])[0].numpy()
            valid = ~sample.sky.numpy()
            truth = sample.log_distance.numpy()
            directions = sample.directions.permute(1, 2, 0).numpy()
            sky_right = float(((out[2] > 0) == sample.sky.numpy()).mean())
            unaligned = float(np.abs(out[0] - truth)[valid].mean())
            rows.append((*aligned_error(out[0], truth, valid), unaligned, sky_right))
            guesses.append(
                [
                    aligned_error(flat_guess(directions, backdrop), truth, valid)
                    for backdrop in (2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0)
                ]
            )
        mean = np.mean(rows, axis=0)
        flat = np.mean(guesses, axis=0)
        best = flat[np.argmin(flat[:, 0])]
        table[kind] = {
            "views": len(rows),
            "log_error": round(float(mean[0]), 4),
            "relative_error": round(float(mean[1]), 4),
            "log_error_unaligned": round(float(mean[2]), 4),
            "sky_accuracy": round(float(mean[3]), 4),
            "flat_log_error": round(float(best[0]), 4),
            "flat_relative_error": round(float(best[1]), 4),
        }
    net.train()
    return table


# ---------------------------------------------------------------------------- the loop


def learning_rate(fraction: float, peak: float) -> float:
    """Warm-up over the first hundredth of the iterations, then half a cosine over all of them."""
    return peak * min(1.0, fraction / 0.01 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * fraction))


def train(
    out: Path, iterations: int, batch_size: int, peak: float, seed: int, held_out_scenes: int
) -> None:
    """Trains up to `iterations` in all, measures, and writes the weights to out/model."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    net = DepthNet().to(memory_format=torch.channels_last)
    average = DepthNet()
    average.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), lr=peak, weight_decay=0.02)
    iteration, spent = 0, 0.0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        iteration, spent = state["iteration"], state["spent"]
    views = Views(out / "views")
    held_out = held_out_samples(held_out_scenes, views=4)
    rng = random.Random(seed * 1_000_003 + iteration)
    generator = torch.Generator().manual_seed(seed + iteration)
    started = saved = time.monotonic()
    already = spent
    sums: dict[str, float] = {}
    while iteration < iterations:
        spent = already + time.monotonic() - started
        if iteration % REFRESHED_EVERY == 0 or not views.views:
            views.refresh()
        if not views.views:
            time.sleep(5)
            continue
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(iteration / iterations, peak)
        batch = views.draw(batch_size, rng)
        image = augment(batch.image, generator) * 2 - 1
        parts = depth_loss(net(image, batch.directions), batch)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        decay = min(0.998, (iteration + 1) / (iteration + 10))
        with torch.no_grad():
            for kept, value in zip(average.parameters(), net.parameters(), strict=True):
                kept.lerp_(value, 1 - decay)
        iteration += 1
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if iteration % 50 == 0:
            row = {"iteration": iteration, "spent_s": round(spent, 1), "views": len(views.views)}
            _log(out, row | {name: round(value / 50, 4) for name, value in sums.items()})
            sums.clear()
        if iteration % MEASURED_EVERY == 0:
            _log(out, {"iteration": iteration, "held_out": evaluate(average, held_out)})
        if time.monotonic() - saved > 120:
            _save(checkpoint, net, average, optimiser, iteration, spent)
            saved = time.monotonic()
    _save(checkpoint, net, average, optimiser, iteration, spent)
    table = evaluate(average, held_out)
    _log(out, {"iteration": iteration, "held_out": table})
    save_depth_net(average, out / "model", {"iterations": iteration, "held_out": table})


def _save(
    path: Path,
    net: DepthNet,
    average: DepthNet,
    optimiser: torch.optim.Optimizer,
    iteration: int,
    spent: float,
) -> None:
    temporary = path.with_suffix(".tmp")
    state = {
        "net": net.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "iteration": iteration,
        "spent": spent,
    }
    torch.save(state, temporary)
    temporary.replace(path)


def _log(out: Path, row: dict[str, object]) -> None:
    with (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=("render", "train"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0, help="of rendering")
    parser.add_argument("--iterations", type=int, default=6000, help="of training")
    parser.add_argument("--held-out-scenes", type=int, default=6, help="of each kind")
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    if a.work == "render":
        render_scenes(a.out, a.minutes, a.seed)
    else:
        train(a.out, a.iterations, a.batch_size, a.learning_rate, a.seed, a.held_out_scenes)


if __name__ == "__main__":
    main()
