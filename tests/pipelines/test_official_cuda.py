# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a CUDA device can show: recorded graphs, compilation and half precision there."""

from __future__ import annotations

import pytest
import torch

from backend.evaluation.bench_official import SDXL_VAE, Subject, bench_official, random_pipeline
from backend.models.acceleration import Graphed
from backend.models.run_options import RunOptions
from backend.pipelines.embedded import Stopwatch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SMALL = Subject(
    64,
    {"input_size": 8, "hidden_size": 144, "num_heads": 2, "depth": 3},
    {**SDXL_VAE, "block_out_channels": (32, 32, 32, 32)},
)


def frames(options, dtype=torch.float16):
    """Three frames of different seeds, generated in turn, so that a stale buffer shows."""
    device = torch.device("cuda")
    pipeline = random_pipeline(SMALL, device, dtype, options=options)
    generator = torch.Generator().manual_seed(0)
    points = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8, generator=generator)
    with torch.inference_mode():
        memory = pipeline.encode_picture(points[0].numpy())
        return [
            pipeline.generate(points[i].to(device), memory, i, 2, Stopwatch(device)).cpu().int()
            for i in (0, 1, 2, 0)
        ]


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(compile=False, cuda_graphs=True),
        RunOptions(compile=True, cuda_graphs=False),
        RunOptions(compile=True, cuda_graphs=True),
        RunOptions(offload=True),
        RunOptions(slicing=True, tiling=True),
    ],
)
def test_faster_ways_give_the_same_frames(options):
    plain = frames(RunOptions(compile=False, cuda_graphs=False))
    fast = frames(options)
    for a, b in zip(plain, fast, strict=True):
        assert (a - b).abs().float().mean() < 1.5
    assert torch.equal(fast[0], fast[3])
    assert not torch.equal(fast[0], fast[1])


def test_recorded_memory_can_be_used_again_after_all_graphs_are_gone():
    for _ in range(3):
        graphed = Graphed(lambda x: x @ x)
        x = torch.rand(64, 64, device="cuda")
        assert torch.allclose(graphed(x), x @ x, rtol=1e-3)
        del graphed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("options", [RunOptions(), RunOptions(fp8=True)])
def test_narrow_types_stay_near_float32(options, dtype):
    exact = frames(RunOptions(compile=False, cuda_graphs=False), torch.float32)
    narrow = frames(options, dtype)
    assert (exact[0] - narrow[0]).abs().float().mean() < 12
    assert torch.equal(narrow[0], narrow[3])


def test_a_recorded_graph_follows_its_inputs_and_shapes():
    double = Graphed(lambda x: x * 2)
    for size in (3, 5):
        for value in (1.0, 4.0):
            x = torch.full((size,), value, device="cuda")
            assert torch.equal(double(x), x * 2)


def test_the_benchmark_has_aims_on_a_gpu():
    figures = {figure.name: figure for figure in bench_official("cuda", subject=SMALL)}
    assert figures["peak memory"].aim == 6.0
    assert figures["1 step, tiny autoencoder"].aim == 100.0
    assert figures["matrix product, float16"].value > 1.0
