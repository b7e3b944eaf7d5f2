# SPDX-License-Identifier: GPL-3.0-or-later
"""Samplers against plain loops, and what must hold of any of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.pipelines.schedulers import (
    FIRST_TIMESTEP,
    MultistepSolver,
    alphas_cumprod,
    few_step_timesteps,
    sample_few_steps,
    seeded_noise,
    signal_and_noise,
)
from backend.shared.errors import InputError


def test_schedule_is_the_product_of_linear_betas():
    share = 1.0
    for step in range(1000):
        share *= 1.0 - (1e-4 + (0.02 - 1e-4) * step / 999)
        assert alphas_cumprod()[step].item() == pytest.approx(share, rel=1e-12)


@given(st.integers(0, 999))
def test_signal_and_noise_keep_variance(timestep):
    signal, noise = signal_and_noise(timestep)
    assert signal**2 + noise**2 == pytest.approx(1.0)


@pytest.mark.parametrize("timestep", [-1, 1000])
def test_a_timestep_outside_the_schedule_is_refused(timestep):
    with pytest.raises(InputError, match="0 to 999"):
        signal_and_noise(timestep)


def test_two_steps_are_two_single_predictions():
    z, noise = seeded_noise((1, 4, 2, 3), seed=7, draws=2)

    def network(x, t):
        return torch.tanh(x) * (t / 1000)

    ac = [float(alphas_cumprod()[t]) for t in (999, 450)]
    x0 = math.sqrt(ac[0]) * z - math.sqrt(1 - ac[0]) * torch.tanh(z) * 0.999
    x = math.sqrt(ac[1]) * x0 + math.sqrt(1 - ac[1]) * noise
    x0 = math.sqrt(ac[1]) * x - math.sqrt(1 - ac[1]) * torch.tanh(x) * 0.45
    out = sample_few_steps(network, [z, noise], few_step_timesteps(2, mid_timestep=450))
    assert torch.allclose(out, x0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_timesteps_reach_the_network_exactly_in_every_precision(dtype, steps):
    seen = []

    def network(x, t):
        seen.append(t.item())
        return x.to(dtype)  # a half precision network

    z, mid = seeded_noise((1, 4, 2, 2), seed=0, draws=2)
    if steps <= 2:
        out = sample_few_steps(network, [z, mid][:steps], few_step_timesteps(steps))
        assert seen == [999.0, 200.0][:steps]
    else:
        out = MultistepSolver(steps).solve(network, z)
        assert seen == pytest.approx([999.0 * (1 - i / steps) for i in range(steps)], abs=1e-4)
    assert out.dtype == torch.float32


def test_steps_and_middle_out_of_range_are_refused():
    with pytest.raises(InputError, match="1 or 2 steps"):
        few_step_timesteps(3)
    with pytest.raises(InputError, match="998"):
        few_step_timesteps(2, mid_timestep=FIRST_TIMESTEP)
    with pytest.raises(InputError, match="at least 1 step"):
        MultistepSolver(0)


def test_noise_is_the_seeds_and_not_the_process_own():
    torch.manual_seed(1)
    first = seeded_noise((1, 4, 3, 3), seed=5, draws=2)
    torch.manual_seed(2)
    again = seeded_noise((1, 4, 3, 3), seed=5, draws=2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], seeded_noise((1, 4, 3, 3), seed=6)[0])


def slow_multistep(network, x, steps):
    """DPM-Solver++ of order 2 written out in float64: the oracle of `MultistepSolver`."""
    log_ac = 0.5 * np.log(alphas_cumprod().numpy())

    def level(time):
        log_alpha = np.interp(time, np.arange(1, 1001) / 1000, log_ac)
        alpha, sigma = np.exp(log_alpha), np.sqrt(1 - np.exp(2 * log_alpha))
        return alpha, sigma, np.log(alpha / sigma)

    times = np.linspace(1.0, 1e-3, steps + 1)
    previous = None
    for i in range(steps):
        alpha, sigma, lam = level(times[i])
        next_alpha, next_sigma, next_lam = level(times[i + 1])
        clean = (x - sigma * network(x, (times[i] - 1e-3) * 1000)) / alpha
        h = next_lam - lam
        guess = clean
        if 0 < i < steps - 1:
            ratio = (lam - level(times[i - 1])[2]) / h
            guess = clean + 0.5 * (clean - previous) / ratio
        x = next_sigma / sigma * x - next_alpha * np.expm1(-h) * guess
        previous = clean
    return x


@settings(max_examples=15, deadline=None)
@given(steps=st.integers(1, 25), seed=st.integers(0, 1000))
def test_multistep_agrees_with_the_written_out_solver(steps, seed):
    z = seeded_noise((1, 2, 2, 3), seed)[0]
    ours = MultistepSolver(steps).solve(
        lambda x, t: torch.sin(x) + t.view(-1, 1, 1, 1) / 2000, z.double()
    )
    slow = slow_multistep(lambda x, t: np.sin(x) + t / 2000, z.double().numpy(), steps)
    assert np.abs(ours.numpy() - slow).max() <= 1e-5 * np.abs(slow).max()
