# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded model's whole way on a CUDA device: the same pictures as on a CPU, and as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from backend.conditioning.anchors.closing import close_gaps
from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_cloud import PointCloud
from backend.conditioning.anchors.point_renderer import _draw
from backend.conditioning.conditions import build_conditions, world_scale
from backend.conditioning.hints import hints_of
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.unseen.surfels import guess_colors, surfels
from backend.conditioning.view import View
from backend.models.autoencoder import ProductAttention
from backend.models.prope import encode_view, transform_key, transform_query
from backend.pipelines.embedded import FramePipeline, choose_device
from backend.shared.anchors import Anchors
from backend.shared.frame import FrameRequest
from backend.shared.world import World
from tests.scenes.world_room import photograph, room_camera

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

TARGET = room_camera((0.9, -2.4, 0.3), size=(128, 96))


def room_world() -> World:
    views = [photograph(room_camera(p)) for p in ((0, -3, 0.2), (1.2, -2.8, 0.5))]
    return World(Anchors.concatenate([lift(view) for view in views]), views, 1, {})


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(np.float64) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.fixture(scope="module")
def world() -> World:
    return room_world()


@pytest.fixture(scope="module")
def there() -> FramePipeline:
    return FramePipeline.from_pretrained(device="cuda")


def test_a_device_is_the_one_its_tensors_name():
    assert choose_device("auto") == choose_device("cuda") == torch.zeros(1, device="cuda").device


def test_gaps_are_closed_alike(world):
    cpu, cuda = (close_gaps(_draw(PointCloud(world.anchors, d), TARGET)) for d in ("cpu", "cuda"))
    both = (cpu.coverage > 0) & (cuda.coverage.cpu() > 0)
    assert ((cpu.coverage > 0) == (cuda.coverage.cpu() > 0)).float().mean() > 0.995
    near = (cpu.depth - cuda.depth.cpu()).abs()[both] <= 1e-3 * cpu.depth[both]
    assert near.float().mean() > 0.995


def test_surfaces_are_continued_alike(world):
    parts = []
    for device in ("cpu", "cuda"):
        place = choose_device(device)
        depth = torch.from_numpy(world.memory[1].depth).to(place)
        target = surfels(depth, View(world.memory[1].camera, place))
        parts.append(guess_colors(target, MemoryImages(world.memory, place).cells, 3.0).cpu())
    assert (parts[0] - parts[1]).abs().quantile(0.99) < 0.02


def test_conditions_agree(world):
    scale = world_scale(world.memory, world.anchors)
    hints = []
    for device in ("cpu", "cuda"):
        place = choose_device(device)
        cloud, images = PointCloud(world.anchors, place), MemoryImages(world.memory, place)
        made = build_conditions(cloud, images, TARGET, references=2, scale=scale)
        hints.append(hints_of(made, scale, 5).cpu())
    near = (hints[0] - hints[1]).abs() < 0.02
    assert near.flatten(1).float().mean(dim=1).min() > 0.97


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_camera_attention_agrees(dtype):
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 2, 48, 32, generator=generator) for _ in range(2))
    view = encode_view(room_camera(size=(128, 96)), (6, 8), 3.0, 32)

    def run(device: str, kind: torch.dtype) -> torch.Tensor:
        there = view.to(device, kind)
        a, b = q.to(device, kind), k.to(device, kind)
        out = scaled_dot_product_attention(transform_query(a, there), transform_key(b, there), b)
        return out.float().cpu()

    worst = (run("cuda", dtype) - run("cpu", torch.float32)).abs().max()
    assert worst < {torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.1}[dtype]


@pytest.mark.parametrize("dtype,least", [("float32", 38.0), ("float16", 34.0), ("bfloat16", 30.0)])
def test_a_frame_is_that_of_the_cpu(world, dtype, least):
    request = FrameRequest(TARGET, seed=3, steps=2)
    frames = []
    for device, kind in (("cpu", "float32"), ("cuda", dtype)):
        pipeline = FramePipeline.from_pretrained(device=device, dtype=kind)
        frames.append(pipeline.render(pipeline.prepare(world), request))
    assert psnr(frames[0].rgb, frames[1].rgb) > least
    assert (np.abs(frames[0].coverage - frames[1].coverage) < 0.05).mean() > 0.99


def test_the_same_request_gives_the_same_bytes(world, there):
    prepared = there.prepare(world)
    other = FrameRequest(room_camera((-0.5, -2.6, 0.2), size=(128, 96)), seed=1)
    request = FrameRequest(TARGET, seed=3, steps=2)
    first = there.render(prepared, request)
    there.render(prepared, other)
    again = there.render(prepared, request)
    # a world prepared anew, and a process that never drew the other frame
    fresh = FramePipeline.from_pretrained(device="cuda")
    for frame in (again, fresh.render(fresh.prepare(room_world()), request)):
        assert np.array_equal(first.rgb, frame.rgb)
        assert np.array_equal(first.depth, frame.depth)
        assert np.array_equal(first.coverage, frame.coverage)


def test_an_autoencoders_attention_agrees_in_parts(monkeypatch):
    from backend.evaluation.bench_official import SDXL_VAE, Subject, random_autoencoder

    subject = Subject(64, {}, {**SDXL_VAE, "block_out_channels": (32, 32, 32, 64)})
    vae = random_autoencoder(subject, torch.device("cuda"), torch.float16, tiny=False)
    image = torch.randn(1, 3, 64, 96, device="cuda")
    with torch.inference_mode():
        plain = vae.encode(image)
        vae.use_products()
        monkeypatch.setattr(ProductAttention, "MOST_SCORES", 96 * 20)
        assert (vae.encode(image) - plain).abs().max() < 0.05 * plain.abs().max()
