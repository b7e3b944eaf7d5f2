# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the small networks that work on the coarse cells of a picture.

Examples lie in a folder, one file a flight, named after the scene's seed; one process may render
them while another trains. Both end and go on as they please; nothing of a file is read
half-written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import TypeVar

import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file

from ..models.cell_net import CellNet
from ..shared.errors import InputError
from ..shared.files import replacing
from .processes import for_each_seed

Figure = TypeVar("Figure", float, torch.Tensor)
Examples = dict[str, torch.Tensor]
"""Tensors of equal length; "cells" (N, C, h, w) is what the network is shown."""

LEARNING_RATE = 1e-3
HELD_OUT = 11
"""One scene in so many is for measuring; kinds of scenes take turns, so that it shares no divisor
with their number."""
LOOK_AGAIN_S = 90.0
MEASURED_AT_ONCE = 256


@dataclass(frozen=True)
class CellTask:
    """What one kind of network learns.

    example: the examples of one flight through the scene of a seed, a module's function; flights:
    how many a scene has. make: a fresh network. losses: means over a batch of float32 examples,
    by name; figures to print. weights: of those whose sum is lowered. augment: a batch as it might
    have been as well.
    """

    example: Callable[[int, int], Examples]
    flights: int
    make: Callable[[], CellNet]
    losses: Callable[[CellNet, Examples], dict[str, torch.Tensor]]
    weights: dict[str, float]
    augment: Callable[[Examples], Examples]

    def objective(self, losses: Mapping[str, Figure]) -> Figure:
        """What training lowers: of tensors, or of measured figures."""
        return reduce(add, (weight * losses[name] for name, weight in self.weights.items()))


def render_flights(task: CellTask, folder: Path, seeds: range, processes: int = 1) -> Iterator[int]:
    """Write the examples of the scenes of `seeds` into `folder`; yields each seed when it is done.

    Flights that are there already are passed over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = partial(_render, folder, task.flights, task.example)
    yield from for_each_seed(work, seeds, processes)


def _render(folder: Path, flights: int, example: Callable[[int, int], Examples], seed: int) -> None:
    for flight in range(flights):
        path = folder / f"{seed:07d}-{flight}.safetensors"
        if path.exists():
            continue
        with replacing(path) as part:
            save_file(example(seed, flight), part)


def train_cells(
    task: CellTask,
    examples: Path,
    output: Path,
    minutes: float,
    batch: int = 32,
    device: torch.device | str = "cpu",
    seed: int = 0,
    start: Path | None = None,
    least_iterations: int = 0,
) -> Iterator[dict[str, float]]:
    """Train and write `output`, a folder as `CellNet` reads it; yields measurements as it goes.
    What is left there is the network that did best on the examples held out.

    least_iterations: are made even when the minutes are over. start: such a folder to go on from.
    Raises InputError when there are too few examples, or when `start` holds no network of this
    kind.
    """
    torch.manual_seed(seed)
    network = task.make()
    if start is not None:
        _take_over(network, start)
    network.to(device, memory_format=torch.channels_last)
    average = EMAModel(network.parameters(), decay=0.999, foreach=True)
    average.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    began = looked = time.monotonic()
    training, held_out = _read(examples, device)
    iteration, best = 0, math.inf
    while (spent := _spent(began, minutes)) < 1 or iteration < least_iterations:
        if time.monotonic() - looked > LOOK_AGAIN_S:
            counted = len(held_out["cells"])
            (training, held_out), looked = _read(examples, device), time.monotonic()
            if len(held_out["cells"]) != counted:  # measured on others, no figure compares
                best = math.inf
            figures = _keep_best(task, network, average, output, held_out, best)
            best = min(best, task.objective(figures))
            yield figures
        _set_rate(optimizer, iteration, spent)
        varied = task.augment(_batch(training, batch))
        with torch.autocast(varied["cells"].device.type, torch.bfloat16):
            loss = task.objective(task.losses(network, varied))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(network.parameters())
        iteration += 1
    yield _keep_best(task, network, average, output, held_out, best)


def _spent(began: float, minutes: float) -> float:
    """Part of the time that is over."""
    return min(1.0, (time.monotonic() - began) / (60 * minutes))


def check_start(task: CellTask, start: Path | None) -> None:
    """Raises InputError when `start` is no network of this kind to go on from."""
    if start is not None:
        _take_over(task.make(), start)


def _take_over(network: CellNet, start: Path) -> None:
    try:
        network.load_state_dict(CellNet.from_pretrained(start, local_files_only=True).state_dict())
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"'{start}' holds no network of this kind to go on from.") from error


def _set_rate(optimizer: torch.optim.Optimizer, iteration: int, spent: float) -> None:
    falling = max(0.02, 0.5 * (1 + math.cos(math.pi * spent)))
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE * min(1.0, (iteration + 1) / 100) * falling


def _batch(examples: Examples, size: int) -> Examples:
    count, device = len(examples["cells"]), examples["cells"].device
    chosen = torch.randint(0, count, (size,), device=device)
    return {name: part[chosen].float() for name, part in examples.items()}


def _read(folder: Path, device: torch.device | str) -> tuple[Examples, Examples]:
    """All examples: those to train on, those held out."""
    parts: tuple[list[Examples], ...] = ([], [])
    for path in sorted(folder.glob("*-*.safetensors")):
        parts[int(path.stem.split("-")[0]) % HELD_OUT == HELD_OUT - 1].append(load_file(path))
    if not all(parts):
        raise InputError(
            f"'{folder}' holds too few examples to train and to measure; render "
            f"at least {HELD_OUT} scenes into it first."
        )
    training, held_out = (
        {name: torch.cat([p[name] for p in part]).to(device) for name in part[0]} for part in parts
    )
    return training, held_out


@torch.no_grad()
def _keep_best(
    task: CellTask,
    network: CellNet,
    average: EMAModel,
    output: Path,
    held_out: Examples,
    best: float,
) -> dict[str, float]:
    """Figures of the averaged network, which is written when its objective is lower than `best`:
    a long training on few scenes gets worse at those held out."""
    average.store(network.parameters())
    average.copy_to(network.parameters())
    figures = measure(task, network, held_out)
    if not all(math.isfinite(figure) for figure in figures.values()):
        raise InputError("The training diverged; start again with another seed.")
    if task.objective(figures) < best:
        _write(network, output)
    average.restore(network.parameters())
    return figures


def _write(network: CellNet, output: Path) -> None:
    """In half precision, beside and then renamed."""
    beside = output.with_name(output.name + ".part")
    network.half().save_pretrained(beside)
    network.float()
    output.mkdir(parents=True, exist_ok=True)
    for path in beside.iterdir():
        path.replace(output / path.name)
    beside.rmdir()


@torch.no_grad()
def measure(task: CellTask, network: CellNet, examples: Examples) -> dict[str, float]:
    """Means of the losses over all `examples`."""
    sums: dict[str, float] = {}
    count = len(examples["cells"])
    for start in range(0, count, MEASURED_AT_ONCE):
        some = {n: part[start : start + MEASURED_AT_ONCE].float() for n, part in examples.items()}
        for name, value in task.losses(network, some).items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(some["cells"])
    return {name: total / count for name, total in sums.items()}
