# SPDX-License-Identifier: GPL-3.0-or-later
"""The official model's benchmark at a small size: what it counts and what it says."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from backend.commands.bench import app
from backend.evaluation.bench_official import SDXL_VAE, Subject, bench_official, count_flops
from backend.shared.errors import InputError

SMALL = Subject(
    32,
    {"input_size": 4, "hidden_size": 48, "num_heads": 2, "depth": 2},
    {**SDXL_VAE, "block_out_channels": (32, 32, 32, 32)},
)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_the_released_size_costs_what_was_published():
    counts = count_flops(Subject())
    assert counts["encode"] == 1116658466816
    assert counts["decode"] == 2514518933504
    # the reference takes 3.96 TFLOP; what nothing reads after the last attention is left out
    assert 0.97 < counts["transformer"] / 3.957e12 < 0.985


def test_flops_follow_the_size():
    small, large = count_flops(SMALL), count_flops(Subject(64, SMALL.transformer, SMALL.vae))
    assert large["encode"] > 4 * small["encode"]  # 4 times the pixels, and attention among them
    assert large["transformer"] > 4 * small["transformer"]


def test_figures_name_stages_floor_and_memory():
    told = []
    figures = bench_official("cpu", subject=SMALL, progress=told.append)
    by_name = {figure.name: figure for figure in figures}
    assert by_name["matrix product, float32"].value > 0
    one, two = by_name["1 step, autoencoder"], by_name["2 steps, autoencoder"]
    assert set(one.parts) == {"encode", "transformer", "decode"}
    assert two.parts["transformer"] == pytest.approx(2 * one.parts["transformer"])
    assert one.value == pytest.approx(1000 / sum(one.parts.values()))
    assert any(name.startswith("2 steps, tiny autoencoder: over its floor") for name in by_name)
    assert by_name["peak memory"].value > 0.05
    assert [text.split()[-1] for text in told] == ["product", "autoencoder", "autoencoder"]
    assert all(figure.aim is None for figure in figures)  # aims are for a GPU


def test_random_weights_are_for_the_official_model_only():
    result = CliRunner().invoke(app, ["frame", "--model", "embedded", "--random-weights"])
    assert isinstance(result.exception, InputError)


def test_a_size_that_is_no_whole_number_of_tokens_is_refused():
    with pytest.raises(InputError, match="multiple of 16"):
        bench_official("cpu", subject=Subject(40))
