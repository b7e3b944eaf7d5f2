# SPDX-License-Identifier: GPL-3.0-or-later
"""What the official model takes on this machine, against the least its arithmetic can take.

The floor of a stage is its FLOP count (a multiply-add is 2) over the rate of a matrix product
measured in the same run. Random weights take as long as trained ones, so no download is needed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch.nn import Module
from torch.utils.flop_counter import FlopCounterMode

from ..models.autoencoder import Autoencoder, vae_dtype
from ..models.official_layout import transformer_config
from ..models.official_transformer import OfficialTransformer
from ..models.run_options import RunOptions
from ..models.store import WEIGHTS, ModelRecord
from ..pipelines.embedded import Stopwatch, choose_device, choose_dtype, memory_errors
from ..pipelines.official import OfficialPipeline
from ..shared.errors import InputError
from .bench import Figure

AnyModule = TypeVar("AnyModule", bound=Module)

SDXL_VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "scaling_factor": 0.13025,
}
"""The layout of the published autoencoder."""
STAGES = ("encode", "transformer", "decode")
STRIDE = 16
"""Pixels that a token is wide."""


@dataclass(frozen=True)
class Subject:
    """What is measured; the defaults are the released sizes. image: pixels a side."""

    image: int = 512
    transformer: dict[str, Any] = field(default_factory=dict)
    vae: dict[str, Any] = field(default_factory=lambda: SDXL_VAE)


def bench_official(
    device: str = "auto",
    dtype: str = "auto",
    *,
    subject: Subject | None = None,
    options: RunOptions | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Figure]:
    """The official model with random weights: stages, whole frames, peak memory.

    On a CPU every stage runs once, and frames are sums of stages; on CUDA 20 frames of each kind
    are timed after a warm-up. Aims are those of a data-centre GPU and stand there only.
    """
    subject = subject or Subject()
    if subject.image % STRIDE:
        raise InputError(f"The size must be a multiple of {STRIDE} pixels, not {subject.image}.")
    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    progress("a matrix product")
    rate = product_rate(place, kind)
    figures = [Figure(f"matrix product, {str(kind).removeprefix('torch.')}", rate, "TFLOP/s")]
    cuda = place.type == "cuda"
    measured: dict[int, dict[str, float]] = {}
    for tiny in (False, True):
        label = "tiny autoencoder" if tiny else "autoencoder"
        progress(f"the model with its {label}")
        with memory_errors():
            floors = {k: 1e-9 * n / rate for k, n in count_flops(subject, tiny).items()}
            if cuda:
                pipeline = random_pipeline(subject, place, kind, tiny, options)
                torch.cuda.empty_cache()  # drawing random weights takes more than running them
                torch.cuda.reset_peak_memory_stats(place)
                measured = _frames(pipeline, subject.image, 20)
            elif not tiny:
                pipeline = random_pipeline(subject, place, kind, options=options)
                measured = _stages(pipeline, subject)
            else:  # the transformer is the same, and a CPU takes long over it
                pipeline.vae = random_autoencoder(subject, place, kind, tiny=True)
                measured = _stages(pipeline, subject, measured[1]["transformer"])
        for steps, parts in measured.items():
            floor = floors["encode"] + steps * floors["transformer"] + floors["decode"]
            figures += _figures(f"{_steps(steps)}, {label}", parts, floor, cuda, steps, tiny)
        if not tiny:
            peak = _peak_gb(place)
            figures += [Figure("peak memory", peak, "GB", 6.0 if cuda else None)] if peak else []
    return figures


def random_pipeline(
    subject: Subject,
    device: torch.device,
    dtype: torch.dtype,
    tiny: bool = False,
    options: RunOptions | None = None,
) -> OfficialPipeline:
    """A pipeline with random weights, for measurements only."""
    torch.manual_seed(0)
    with torch.device(device):
        model = OfficialTransformer(**transformer_config(subject.transformer))
    vae = random_autoencoder(subject, device, dtype, tiny)
    record = ModelRecord("random weights", 2, {}, {f"transformer/{WEIGHTS}": "0" * 64})
    return OfficialPipeline(_cast(model, dtype), vae, record, device, options=options)


def random_autoencoder(
    subject: Subject, device: torch.device, dtype: torch.dtype, tiny: bool
) -> Autoencoder:
    """An autoencoder with random weights, in the type that goes with a transformer in `dtype`."""
    with torch.device(device):
        vae = AutoencoderTiny() if tiny else AutoencoderKL(**subject.vae)
    return Autoencoder.wrap(_cast(vae, vae_dtype(dtype, device)))


def _cast(module: AnyModule, dtype: torch.dtype) -> AnyModule:
    """`module` in `dtype`; diffusers' own `to` warns of modules that should stay in float32."""
    return module._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)


def count_flops(subject: Subject, tiny: bool = False) -> dict[str, int]:
    """FLOP of each stage of one frame (of one step for the transformer), counted, not run."""
    with torch.device("meta"):
        model = OfficialTransformer(**transformer_config(subject.transformer))
        vae = Autoencoder.wrap(AutoencoderTiny() if tiny else AutoencoderKL(**subject.vae))
        side = subject.image // vae.factor
        latent = torch.empty(1, model.config.latent_channels, side, side)
        picture = torch.empty(1, 3, subject.image, subject.image)
        t = torch.empty(1)
    runs: dict[str, Callable[[], object]] = {
        "encode": lambda: vae.encode(picture),
        "transformer": lambda: model(latent, latent, latent, t),
        "decode": lambda: vae.decode(latent),
    }
    counts = {}
    for stage, run in runs.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        counts[stage] = counter.get_total_flops()
    return counts


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of a square matrix product, the best of five runs."""
    cuda = device.type == "cuda"
    side, repeats = (8192, 20) if cuda else (1024, 2)
    a = torch.randn(side, side, device=device).to(dtype)
    b = torch.randn(side, side, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):  # the first of them warms up
        start = time.perf_counter()
        for _ in range(repeats):
            a @ b
        if cuda:
            torch.cuda.synchronize(device)
        best = min(best, (time.perf_counter() - start) / repeats)
    return 2e-12 * side**3 / best


def _frames(pipeline: OfficialPipeline, image: int, repeats: int) -> dict[int, dict[str, float]]:
    """Median milliseconds of every stage over whole frames, by number of steps."""
    points = torch.randint(0, 256, (image, image, 3), dtype=torch.uint8, device=pipeline.device)
    measured = {}
    with torch.inference_mode():
        memory = pipeline.encode_picture(points.cpu().numpy())
        for steps in (1, 2):
            pipeline.warm_up(image, image, steps)
            laps = []
            for _ in range(repeats):
                watch = Stopwatch(pipeline.device)
                pipeline.generate(points, memory, 0, steps, watch)
                laps.append(watch.milliseconds)
            measured[steps] = {s: statistics.median(lap[s] for lap in laps) for s in STAGES}
    return measured


def _stages(
    pipeline: OfficialPipeline, subject: Subject, transformer_ms: float | None = None
) -> dict[int, dict[str, float]]:
    """Milliseconds of every stage, run once; two steps are put together from one.

    transformer_ms: what a step took before, so that it need not run again.
    """
    side = subject.image
    picture = torch.randint(0, 256, (side, side, 3), dtype=torch.uint8).numpy()
    watch = Stopwatch(pipeline.device)
    with torch.inference_mode():
        latent = pipeline.encode_picture(picture)
        watch.lap("encode")
        if transformer_ms is None:
            pipeline.model(latent, latent, latent, torch.tensor([999.0]))
        watch.lap("transformer")
        pipeline.decode_bytes(latent)
        watch.lap("decode")
    one = dict(watch.milliseconds)
    if transformer_ms is not None:
        one["transformer"] = transformer_ms
    return {1: one, 2: one | {"transformer": 2 * one["transformer"]}}


def _figures(
    label: str, parts: dict[str, float], floor: float, cuda: bool, steps: int, tiny: bool
) -> list[Figure]:
    total = sum(parts.values())
    fps_aim = 100.0 if cuda and tiny and steps == 1 else None
    floor_aim = 2.0 if cuda and not tiny and steps == 2 else None
    return [
        Figure(label, 1000 / total, "frames/s", fps_aim, at_least=True, parts=parts),
        Figure(f"{label}: over its floor of {floor:.1f} ms", total / floor, "times", floor_aim),
    ]


def _steps(count: int) -> str:
    return f"{count} step{'s' * (count > 1)}"


def _peak_gb(device: torch.device) -> float | None:
    """Taken from the device, or by this process; None where the system doesn't say (Windows)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 1e9
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
