# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the embedded depth network on procedural scenes.

Commands: `worldfm train depth render`, `train` and `measure`. Rendering writes the views of each
scene to one file. Training keeps one checkpoint (written beside, then renamed) and a log of one
JSON object a line; starting the same command again goes on from the checkpoint. It ends with the
weights in OUT/model, which `measure` compares with a flat guess on scenes that neither training nor
its own measurements have seen.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.depth import EmbeddedDepth
from ..models.depth_net import DepthNet, DepthNetConfig, load_depth_net, save_depth_net
from ..models.feature_weights import load_features
from ..shared.files import replacing
from .depth_measure import evaluate, held_out_samples
from .depth_views import Sample, Views, footed

PHASES = (
    (0.0, 7_700, ((80, 64), (80, 64), (64, 80), (96, 64), (80, 80))),
    (0.6, 19_200, ((128, 96), (128, 96), (96, 128), (144, 80), (112, 112))),
)
"""Share of the time from which on, pixels of the views, and sizes of their crops: what stands
where is learnt cheaply from small pictures, their edges from larger ones."""
CONFIG = DepthNetConfig(features=True)
MEASURED_EVERY_S = 300.0
SAVED_EVERY_S = 120.0
READ_EVERY_S = 900.0
"""Views that are rendered beside the training are found this often."""
LOGGED_EVERY = 100
WATCHED, FRESH = 0, 20_000
"""Held-out scenes that training watches, and those that only `measure` sees."""


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
    """The parts of the loss; their sum is minimised. `batch` has stacked fields.

    out: (B, 3, H, W), see `DepthNet`.
    """
    solid = (~batch.sky).float()
    error = (out[:, 0] - batch.log_distance) * solid
    # the scale of a view without visible ground can hardly be known: the shape counts for more
    offset = error.masked_fill(batch.sky, torch.nan).flatten(1).nanmedian(dim=1).values.nan_to_num()
    deviation = (error - offset.detach()[:, None, None] * solid).abs().sum(dim=(1, 2))
    shape = (deviation / solid.sum(dim=(1, 2)).clamp_min(1)).mean()
    parts = {"shape": shape, "scale": 0.2 * offset.abs().mean()}
    gradient = out.new_zeros(())
    for step in (1, 4):
        both_x = solid[:, :, step:] * solid[:, :, :-step]
        both_y = solid[:, step:] * solid[:, :-step]
        gradient = gradient + ((error[:, :, step:] - error[:, :, :-step]).abs() * both_x).mean()
        gradient = gradient + ((error[:, step:] - error[:, :-step]).abs() * both_y).mean()
    parts["edges"] = 0.3 * gradient / solid.mean().clamp_min(1e-3)
    feet = footed(batch).float()
    parts["feet"] = 0.5 * ((out[:, 0] - batch.log_distance).abs() * feet).sum() / solid.sum()
    parts["ground"] = 0.2 * F.binary_cross_entropy_with_logits(out[:, 1], batch.ground.float())
    parts["sky"] = 0.2 * F.binary_cross_entropy_with_logits(out[:, 2], batch.sky.float())
    return parts


def learning_rate(fraction: float, peak: float) -> float:
    """Warm-up over the first hundredth of the time, then half a cosine over all of it."""
    return peak * min(1.0, fraction / 0.01 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * fraction))


@dataclass(eq=False)
class Progress:
    """All that a checkpoint holds."""

    net: DepthNet
    average: DepthNet
    optimiser: torch.optim.Optimizer
    iteration: int = 0
    spent: float = 0.0

    def save(self, path: Path) -> None:
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iteration,
            "spent": self.spent,
        }
        with replacing(path) as part:
            torch.save(state, part)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration, self.spent = state["iteration"], state["spent"]

    def step(self, batch: Sample, rate: float, generator: torch.Generator) -> dict[str, float]:
        """One update; the parts of its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        image = augment(batch.image, generator) * 2 - 1
        with torch.autocast(image.device.type, torch.bfloat16):
            out = self.net(image, batch.directions)
        parts = depth_loss(out, batch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        decay = min(0.999, (self.iteration + 1) / (self.iteration + 10))
        with torch.no_grad():
            for kept, value in zip(self.average.parameters(), self.net.parameters(), strict=True):
                kept.lerp_(value, 1 - decay)
        self.iteration += 1
        return {name: float(value.detach()) for name, value in parts.items()}


def begun(model: Path | None) -> DepthNet:
    """A network that begins as that of the folder `model`, if there is one, and sees features.

    Raises ModelError when there are no weights of the feature network.
    """
    net = DepthNet(CONFIG)
    net.seen.load_state_dict(load_features().state_dict())
    if model is not None:
        net.load_state_dict(load_depth_net(model).state_dict(), strict=False)
    return net


def _begun_or_continued(checkpoint: Path, peak: float, model: Path | None) -> Progress:
    net = begun(model)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=peak, weight_decay=0.03)
    average = DepthNet(net.config).eval()
    average.load_state_dict(net.state_dict())
    nn.Module.to(net, memory_format=torch.channels_last)  # type: ignore[call-overload]
    progress = Progress(net, average, optimiser)
    if checkpoint.exists():
        progress.load(checkpoint)
    return progress


class _Batches:
    """Drawn from the views of the phase that the run is in."""

    def __init__(self, folder: Path, count: int, generator: torch.Generator) -> None:
        self._folder, self._count, self._generator = folder, count, generator
        self._phase, self._read = -1, 0.0
        self._views: Views | None = None

    @property
    def views_made(self) -> int:
        """Of this phase so far."""
        return 0 if self._views is None else len(self._views)

    def draw(self, fraction: float) -> Sample:
        """A batch at this fraction of the run."""
        phase = max(i for i, (begin, *_) in enumerate(PHASES) if fraction >= begin)
        _, pixels, sizes = PHASES[phase]
        now = time.monotonic()
        if self._views is None or phase != self._phase or now - self._read > READ_EVERY_S:
            self._views, self._phase, self._read = Views(self._folder, pixels), phase, now
        size = sizes[int(torch.randint(len(sizes), (), generator=self._generator))]
        return self._views.draw(self._count, size, self._generator)


def train(
    out: Path,
    minutes: float,
    batch_size: int,
    peak: float,
    seed: int,
    held_out_scenes: int,
    tell: Callable[[float], None] = lambda spent: None,
    model: Path | None = None,
) -> None:
    """Trains until `minutes` are spent in all, measures, and writes the weights to out/model.

    model: folder of the network that a new run begins as.
    tell is called with the seconds spent so far after every iteration.
    """
    torch.manual_seed(seed)
    checkpoint = out / "checkpoint.pt"
    progress = _begun_or_continued(checkpoint, peak, model)
    average = progress.average
    generator = torch.Generator().manual_seed(seed + progress.iteration)
    held_out = held_out_samples(WATCHED, held_out_scenes, views=2)
    batches = _Batches(out / "views", batch_size, generator)
    sums: dict[str, float] = {}
    tick = saved = measured = time.monotonic()
    while progress.spent < 60 * minutes:
        fraction = progress.spent / (60 * minutes)
        batch = batches.draw(fraction)
        parts = progress.step(batch, learning_rate(fraction, peak), generator)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value / LOGGED_EVERY
        now = time.monotonic()
        progress.spent, tick = progress.spent + now - tick, now
        tell(progress.spent)
        row = {"iteration": progress.iteration, "spent_s": round(progress.spent, 1)}
        if progress.iteration % LOGGED_EVERY == 0:
            _log(
                out, row | {"views": batches.views_made} | {k: round(v, 4) for k, v in sums.items()}
            )
            sums.clear()
        if now - measured > MEASURED_EVERY_S:
            _log(out, row | {"held_out": evaluate(EmbeddedDepth(average), held_out)})
            measured = time.monotonic()
        if now - saved > SAVED_EVERY_S:
            progress.save(checkpoint)
            saved = time.monotonic()
    progress.save(checkpoint)
    notes: dict[str, object] = {
        "iterations": progress.iteration,
        "minutes": round(progress.spent / 60),
    }
    save_depth_net(average, out / "model", notes)
    _log(out, notes | {"held_out": evaluate(EmbeddedDepth(average), held_out)})


def measure(out: Path, scenes: int) -> dict[str, dict[str, float]]:
    """What `evaluate` says of the weights in out/model on fresh scenes."""
    estimator = EmbeddedDepth(load_depth_net(out / "model"))
    return evaluate(estimator, held_out_samples(FRESH, scenes, views=2))


def _log(out: Path, row: Mapping[str, object]) -> None:
    with (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
