# SPDX-License-Identifier: GPL-3.0-or-later
"""The three stages: image diffusion, controllable frame model, few-step generator.

After InSpatio-WorldFM (arXiv 2603.11911); stage 3 after DMD2 (arXiv 2405.14867). A stage turns a
batch into losses; the loop in `loop.py` optimises them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import torch
import torch.nn.functional as F
from torch import nn

from ..conditioning.channels import HINTS
from ..learning.batches import Batch
from ..learning.generation import generate, memory_tokens, noised
from ..learning.losses import (
    FeatureDiscriminator,
    charbonnier,
    comparable,
    gradient_penalty,
    picture_distance,
    relativistic,
)
from ..models.feature_net import FeatureNet, feature_distance
from ..models.frame_model import FrameModel, LatentEncoder
from ..pipelines.schedulers import TRAIN_STEPS, alphas_cumprod
from .config import LossConfig, TrainConfig
from .masking import hide_anchors
from .pretrained_latents import PretrainedLatents

DISCRIMINATOR_HINTS = HINTS.index(["log_depth", "base", "memory_weight"])
"""Hint channels that the discriminator sees."""
LEAST_HOLE = 0.02
"""What a pixel that memory saw well counts for the discriminator."""


@dataclass(eq=False)
class StageOutput:
    """loss to minimise, its parts by name, and pictures (B, 3, H, W) to look at.

    features: the deepest ones of the hints, without gradients.
    batch: what the model was told, after the random loss of conditions.
    levels: features of picture and truth without gradients, where they were compared.
    """

    loss: torch.Tensor
    parts: dict[str, torch.Tensor]
    pictures: dict[str, torch.Tensor]
    features: torch.Tensor
    batch: Batch
    levels: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None


class Stage(nn.Module):
    """What the stages share: the generator, the latent encoder, noise levels, condition dropout."""

    alphas_cumprod: torch.Tensor

    def __init__(
        self,
        config: TrainConfig,
        model: FrameModel,
        encoder: LatentEncoder | PretrainedLatents,
        features: FeatureNet | None,
    ) -> None:
        super().__init__()
        self.model = model
        self.encoder = encoder
        self.config = config
        self._frozen = [] if features is None else [features]  # no part of checkpoints
        self.register_buffer("alphas_cumprod", alphas_cumprod().float(), persistent=False)

    @property
    def losses(self) -> LossConfig:
        """The weights of the losses."""
        return self.config.loss

    def seen(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """The feature network's levels (B, C, h, w) of a picture (B, 3, H, W) in [-1, 1]."""
        network = self._frozen[0].to(picture.device)
        return network(picture.contiguous(memory_format=torch.channels_last))

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Clean latents (B, C, h, w) with noise of timesteps t (B,); see `noised`."""
        return noised(self.alphas_cumprod, clean, noise, t)

    def random_timesteps(self, batch: Batch) -> torch.Tensor:
        """(B,) whole timesteps, uniform."""
        target = batch.target
        return torch.randint(0, TRAIN_STEPS, (len(target),), device=target.device)

    def draw(self, probability: float) -> bool:
        """True with `probability`."""
        return torch.rand(()).item() < probability

    def thinned(self, batch: Batch, iteration: int) -> Batch:
        """The batch, some without memory tokens, some without any colour (`TrainConfig`)."""
        if self.draw(self.config.drop_memory):
            batch = replace(batch, memory=batch.memory[:0], memory_views=[])
        ramp = self.config.drop_ramp
        early = max(0.0, 1 - iteration / ramp) if ramp else 0.0
        if early * self.config.mask_anchors > 0:
            hints = hide_anchors(batch.hints, early * self.config.mask_anchors)
            batch = replace(batch, hints=hints)
        if not self.draw(max(early, self.config.drop_color)):
            return batch
        return replace(batch, hints=HINTS.blank_colors(batch.hints))

    def decode(
        self, latent: torch.Tensor, features: list[torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """The picture (B, 3, H, W) that the model paints over what the hints show."""
        return self.model.decode(latent, features, batch.base, batch.fill, batch.weight)

    def hole_weight(self, batch: Batch) -> torch.Tensor:
        """(B, 1, H, W): 1 where memory saw the pixel, more where it has to be invented."""
        return 1 + self.losses.hole_gain * (1 - batch.weight)

    def picture_losses(
        self, picture: torch.Tensor, batch: Batch, parts: dict[str, torch.Tensor]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]] | None:
        """Adds the distances between the picture (B, 3, H, W) and the truth that have a weight.

        Gives the features of both where they are needed, those of the picture with gradients.
        """
        weight = self.hole_weight(batch)
        if self.losses.pixel:
            parts["pixel"] = picture_distance(picture, batch.target, batch.weight, weight)
        if not self.losses.needs_features:
            return None
        ours = self.seen(picture)
        with torch.no_grad():
            true = self.seen(batch.target)
        if self.losses.perceptual:
            parts["perceptual"] = feature_distance(ours, true, weight)
        return ours, true

    def figures(self, output: StageOutput) -> dict[str, torch.Tensor]:
        """What is logged and not minimised, () each.

        "activation": root mean square of the deepest hint features; "guess": pixel distance of the
        two guesses' mean, which a working model undercuts.
        """
        batch = output.batch
        guess = (batch.base + batch.fill) / 2
        return {
            "activation": output.features.square().mean().sqrt(),
            "guess": charbonnier(guess, batch.target, self.hole_weight(batch)),
        }

    def total(self, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        """() weighted sum of the () parts; each is named like its weight in LossConfig."""
        return sum(getattr(self.losses, name) * value for name, value in parts.items())

    def forward(self, batch: Batch, iteration: int) -> StageOutput:
        """The stage's losses on one batch."""
        raise NotImplementedError

    def after_backward(self, output: StageOutput) -> torch.Tensor | None:
        """A second loss (), for the networks that are trained against the generator, if any."""
        return None

    def adversaries(self) -> list[nn.Parameter]:
        """Parameters that the second loss trains."""
        return []

    def generator_parameters(self) -> list[nn.Parameter]:
        """Parameters that the first loss trains."""
        return [p for p in self.model.parameters() if p.requires_grad]


class ImageDiffusion(Stage):
    """Stage 1: the small autoencoder, and a diffusion transformer on its latents; no conditions."""

    def generator_parameters(self) -> list[nn.Parameter]:
        return [*self.model.parameters(), *self.encoder.parameters()]

    def forward(self, batch: Batch, iteration: int) -> StageOutput:
        clean = self.encoder(batch.target)
        features = self.model.encode_hints(torch.zeros_like(batch.hints))
        blank = torch.zeros_like(batch.target)
        rough = clean + 0.05 * torch.randn_like(clean)
        picture = self.model.decode(rough, features, blank, blank, blank[:, :1])
        ones = torch.ones_like(batch.weight)
        t = self.random_timesteps(batch)
        noisy = self.add_noise(clean.detach(), torch.randn_like(clean), t)
        guess = self.model.denoise(noisy, t, features, batch.view, None)
        parts = {
            "pixel": charbonnier(picture, batch.target, ones),
            "diffusion": F.mse_loss(guess, clean.detach()),
        }
        if self.losses.perceptual:
            parts["perceptual"] = feature_distance(self.seen(picture), self.seen(batch.target))
        pictures = {"reconstruction": picture.detach()}
        return StageOutput(self.total(parts), parts, pictures, features[-1].detach(), batch)


class ControllableFrames(Stage):
    """Stage 2: the same diffusion given anchors, memory and cameras; the decoder is guided."""

    def forward(self, batch: Batch, iteration: int) -> StageOutput:
        with torch.no_grad():
            clean = self.encoder(batch.target)
        batch = self.thinned(batch, iteration)
        features = self.model.encode_hints(batch.hints)
        memory = memory_tokens(self.model, batch)
        t = self.random_timesteps(batch)
        noisy = self.add_noise(clean, torch.randn_like(clean), t)
        guess = self.model.denoise(noisy, t, features, batch.view, memory)
        picture = self.decode(guess, features, batch)
        parts = {"diffusion": F.mse_loss(guess, clean)}
        self.picture_losses(picture, batch, parts)
        pictures = {"denoised": picture.detach()}
        return StageOutput(self.total(parts), parts, pictures, features[-1].detach(), batch)


class FewStepGenerator(Stage):
    """Stage 3: from the world's noise to the picture in one or two steps.

    Regression on real data keeps geometry; features, the discriminator on them and distribution
    matching keep what is invented like pictures. `teacher` is the frozen stage 2 model, `fake`
    follows the generator.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: FrameModel,
        encoder: LatentEncoder | PretrainedLatents,
        features: FeatureNet | None,
    ) -> None:
        super().__init__(config, model, encoder, features)
        self.teacher: FrameModel | None = None
        self.fake: FrameModel | None = None
        self.discriminator: FeatureDiscriminator | None = None
        if config.loss.dmd:
            self.teacher = _copy(model).requires_grad_(False)
            self.fake = _copy(model)
        if config.loss.gan:
            self.discriminator = FeatureDiscriminator(len(DISCRIMINATOR_HINTS))

    def adversaries(self) -> list[nn.Parameter]:
        networks = [n for n in (self.fake, self.discriminator) if n is not None]
        return [p for network in networks for p in network.parameters()]

    def forward(self, batch: Batch, iteration: int) -> StageOutput:
        batch = self.thinned(batch, iteration)
        features = self.model.encode_hints(batch.hints)
        with torch.set_grad_enabled(self.config.train_memory):
            memory = memory_tokens(self.model, batch)
        steps = 2 if self.draw(0.25) else 1
        latent = generate(self.model, batch, features, memory, steps, self.alphas_cumprod)
        picture = self.decode(latent, features, batch)
        parts: dict[str, torch.Tensor] = {}
        levels = self.picture_losses(picture, batch, parts)
        if self.losses.diffusion:
            with torch.no_grad():
                clean = self.encoder(batch.target)
            parts["diffusion"] = F.mse_loss(latent, clean)
        if self.teacher is not None:
            parts["dmd"] = self.distribution_matching(latent, batch)
        if levels is not None and self.discriminator is not None:
            parts["gan"] = self._deceived(levels, batch)
        pictures = {"generated": picture.detach(), "latent": latent.detach()}
        output = StageOutput(self.total(parts), parts, pictures, features[-1].detach(), batch)
        if levels is not None:
            output.levels = [f.detach() for f in levels[0]], list(levels[1])
        return output

    def distribution_matching(self, latent: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A loss whose gradient is the difference of the fake's and the teacher's predictions.

        latent: (B, C, H/8, W/8), the generator's.

        Normalised by the teacher's own error, as in DMD (arXiv 2311.18828, equation 8).
        """
        t = torch.randint(20, 980, (len(latent),), device=latent.device)
        with torch.no_grad():
            noisy = self.add_noise(latent, torch.randn_like(latent), t)
            assert self.teacher is not None and self.fake is not None
            real, fake = (self._predict(net, noisy, t, batch) for net in (self.teacher, self.fake))
            norm = (latent - real).abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-3)
            direction = (fake - real) / norm
        return 0.5 * F.mse_loss(latent, (latent - direction).detach())

    def _predict(
        self, network: FrameModel, noisy: torch.Tensor, t: torch.Tensor, batch: Batch
    ) -> torch.Tensor:
        features, memory = network.encode_hints(batch.hints), memory_tokens(network, batch)
        return network.denoise(noisy, t, features, batch.view, memory)

    def after_backward(self, output: StageOutput) -> torch.Tensor | None:
        """The fake's and the discriminator's losses, () in all."""
        losses = []
        batch = output.batch
        if self.fake is not None:
            latent = output.pictures["latent"]
            t = self.random_timesteps(batch)
            noisy = self.add_noise(latent, torch.randn_like(latent), t)
            losses.append(F.mse_loss(self._predict(self.fake, noisy, t, batch), latent))
        if self.discriminator is not None and output.levels is not None:
            losses.append(self._told_apart(*output.levels, batch))
        return reduce(torch.add, losses) if losses else None

    def _deceived(
        self, levels: tuple[list[torch.Tensor], list[torch.Tensor]], batch: Batch
    ) -> torch.Tensor:
        """The generator's part: its picture should be taken for the truer one."""
        judge, condition = self.discriminator, batch.hints[:, DISCRIMINATOR_HINTS]
        assert judge is not None
        judge.requires_grad_(False)
        fake, real = (judge(comparable(each), condition) for each in levels)
        judge.requires_grad_(True)
        return relativistic(fake, real, _holes(batch))

    def _told_apart(
        self, fake: list[torch.Tensor], real: list[torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """The discriminator's part, with R1 and R2."""
        condition, holes = batch.hints[:, DISCRIMINATOR_HINTS], _holes(batch)
        shown = [[f.requires_grad_() for f in comparable(levels)] for levels in (fake, real)]
        assert self.discriminator is not None
        of_fake, of_real = (self.discriminator(levels, condition) for levels in shown)
        penalty = gradient_penalty(of_fake, shown[0], holes)
        penalty = penalty + gradient_penalty(of_real, shown[1], holes)
        return relativistic(of_real, of_fake, holes) + 0.5 * self.losses.penalty * penalty


STAGES: dict[str, type[Stage]] = {
    "stage1": ImageDiffusion,
    "stage2": ControllableFrames,
    "stage3": FewStepGenerator,
}


def _holes(batch: Batch) -> torch.Tensor:
    """(B, 1, H, W): how much of a pixel is invented."""
    return (1 - batch.weight).clamp(min=LEAST_HOLE)


def _copy(model: FrameModel) -> FrameModel:
    copy = FrameModel.from_config(model.config)
    copy.load_state_dict(model.state_dict())
    return copy
