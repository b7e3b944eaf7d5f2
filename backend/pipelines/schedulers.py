# SPDX-License-Identifier: GPL-3.0-or-later
"""Samplers of the frame models: one step, two steps, and DPM-Solver++ multistep.

All share one noise schedule (linear betas). Samplers hand timesteps to the network as float32,
never in the weights' type: bfloat16 has no 999. States stay float32 between steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from ..shared.errors import InputError

TRAIN_STEPS = 1000
BETA_FIRST, BETA_LAST = 1e-4, 0.02
FIRST_TIMESTEP = 999
MID_TIMESTEP = 200
"""Where the released two-step model's second step begins."""

Network = Callable[[Tensor, Tensor], Tensor]
"""(noisy latent (B, C, H, W), timesteps (B,)) -> output of the same shape."""


_ALPHAS_CUMPROD = np.cumprod(1.0 - np.linspace(BETA_FIRST, BETA_LAST, TRAIN_STEPS))


def alphas_cumprod() -> Tensor:
    """Share of the signal's power left at each of the 1000 timesteps, float64 (1000,)."""
    return torch.from_numpy(_ALPHAS_CUMPROD.copy())


def signal_and_noise(timestep: int) -> tuple[float, float]:
    """sqrt(ac), sqrt(1 - ac) of a whole timestep. Raises InputError outside 0 .. 999."""
    if not 0 <= timestep < TRAIN_STEPS:
        raise InputError(f"Timestep {timestep} does not exist; choose one from 0 to 999.")
    ac = float(_ALPHAS_CUMPROD[timestep])
    return math.sqrt(ac), math.sqrt(1.0 - ac)


def seeded_noise(shape: Sequence[int], seed: int, draws: int = 1) -> list[Tensor]:
    """`draws` float32 noises ~N(0, 1) of one shape; the same on every machine and device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return [torch.randn(*shape, generator=generator) for _ in range(draws)]


def few_step_timesteps(steps: int, mid_timestep: int = MID_TIMESTEP) -> tuple[int, ...]:
    """The timesteps of the distilled samplers. Raises InputError for other than 1 or 2 steps."""
    if steps not in (1, 2):
        raise InputError(f"The distilled models take 1 or 2 steps, not {steps}.")
    if not 0 <= mid_timestep < FIRST_TIMESTEP:
        raise InputError(f"The middle timestep must lie from 0 to 998, not at {mid_timestep}.")
    return (FIRST_TIMESTEP, mid_timestep)[:steps]


def sample_few_steps(
    network: Network, noises: Sequence[Tensor], timesteps: Sequence[int]
) -> Tensor:
    """The distilled sampler: x0 = sqrt(ac) x - sqrt(1 - ac) net(x, t), noised again in between.

    noises: one (B, C, H, W) per timestep. timesteps: falling. Returns the clean latent.
    """
    x0 = torch.zeros_like(noises[0])
    for index, (noise, timestep) in enumerate(zip(noises, timesteps, strict=True)):
        signal, spread = signal_and_noise(timestep)
        x = noise if index == 0 else signal * x0 + spread * noise
        t = torch.full((len(x),), float(timestep), device=x.device)
        x0 = signal * x - spread * network(x, t).to(x.dtype)
    return x0


class MultistepSolver:
    """DPM-Solver++ of order 2 (arXiv 2211.01095), first and last step of order 1.

    Times are uniform from 1 to 1/1000 and need not be whole timesteps, so the noise levels are
    interpolated here (linearly in log alpha) and given to diffusers' scheduler, which does the
    rest; its own timesteps are rounded and would not agree with the released sampler.
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise InputError("The multistep sampler needs at least 1 step.")
        self.times = np.linspace(1.0, 1.0 / TRAIN_STEPS, steps + 1)
        self.timesteps = (self.times[:-1] - 1.0 / TRAIN_STEPS) * TRAIN_STEPS
        knots = np.arange(1, TRAIN_STEPS + 1) / TRAIN_STEPS
        self.log_alphas = np.interp(self.times, knots, 0.5 * np.log(_ALPHAS_CUMPROD))

    def solve(self, network: Network, x: Tensor) -> Tensor:
        """From pure noise x (B, C, H, W) to the clean latent; the network's output is noise."""
        *_, last = self.trajectory(network, x)
        return last

    def trajectory(self, network: Network, x: Tensor) -> list[Tensor]:
        """The state before the first step and after each, steps + 1 of (B, C, H, W)."""
        scheduler = self._scheduler()
        states = [x]
        for timestep, level in zip(self.timesteps, scheduler.timesteps, strict=True):
            t = torch.full((len(x),), float(timestep), device=x.device)
            eps = network(x, t).to(x.dtype)
            x = scheduler.step(eps, level, x).prev_sample
            states.append(x)
        return states

    def _scheduler(self) -> DPMSolverMultistepScheduler:
        scheduler = DPMSolverMultistepScheduler(
            num_train_timesteps=TRAIN_STEPS,
            beta_start=BETA_FIRST,
            beta_end=BETA_LAST,
            solver_order=2,
            euler_at_final=True,
            final_sigmas_type="sigma_min",
        )
        scheduler.set_timesteps(len(self.timesteps))
        noise_over_signal = np.sqrt(np.expm1(-2.0 * self.log_alphas))
        scheduler.sigmas = torch.from_numpy(noise_over_signal)
        scheduler.set_begin_index(0)
        return scheduler
