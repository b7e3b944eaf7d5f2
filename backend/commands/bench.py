# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm bench`: speed, memory and quality on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..shared.errors import InputError
from .options import Threads, progress_bar

if TYPE_CHECKING:
    from ..evaluation.bench import Figure

app = typer.Typer(add_completion=False)

SUBJECTS = ("frame", "anchors", "transport", "quality")


@app.command()
def bench(
    subjects: Annotated[
        list[str] | None, typer.Argument(help="frame, anchors, transport, quality; all if none.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name or folder of a model.")] = "embedded",
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="With --model official: needs no download.")
    ] = False,
    size: Annotated[
        int, typer.Option(min=16, help="With --random-weights: pixels a side of the frame.")
    ] = 512,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    dtype: Annotated[str, typer.Option(help="With --random-weights: float16, ...")] = "auto",
    threads: Threads = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure this machine: frames a second, the point renderer, the backend's process, quality.

    The aims beside the figures are for two CPU cores.
    """
    chosen = list(dict.fromkeys(subjects or SUBJECTS))
    unknown = [subject for subject in chosen if subject not in SUBJECTS]
    if unknown:
        raise InputError(f"'{unknown[0]}' is no subject; choose from {', '.join(SUBJECTS)}.")
    _check(chosen, model, random_weights, dtype, device)
    from ..evaluation.bench import machine

    results = {}
    with progress_bar() as bar:
        task = bar.add_task("Measuring", total=len(chosen))

        def tell(text: str) -> None:
            bar.update(task, description=f"Measuring {text}")

        for subject in chosen:
            tell(subject)
            if random_weights:
                results[subject] = _measure_random(device, dtype, size, tell)
            else:
                results[subject] = _measure(subject, model, device)
            bar.advance(task)
        bar.update(task, description="Measured")
    about = machine()
    if as_json:
        print(json.dumps({"machine": about, **_plain(results)}, indent=1))
    else:
        _print(about, results)


def _check(subjects: list[str], model: str, random: bool, dtype: str, device: str) -> None:
    """Raises InputError for what could not be measured, before anything is."""
    if random and (subjects != ["frame"] or model != "official"):
        raise InputError("--random-weights goes with: bench frame --model official.")
    from ..pipelines.embedded import choose_device, choose_dtype

    choose_dtype(dtype, choose_device(device))
    if not random and set(subjects) != {"anchors"}:
        from ..serving.loading import ModelChoice, open_pipeline

        open_pipeline(ModelChoice(model, device))


def _measure_random(
    device: str, dtype: str, size: int, tell: Callable[[str], None]
) -> list[Figure]:
    """The official model with random weights, on frames of `size` pixels a side.

    The environment variable WORLDFM_OFFICIAL switches what it switches for the real one.
    """
    from ..evaluation.bench_official import Subject, bench_official
    from ..models.run_options import OPTIONS_VARIABLE, read_options

    return bench_official(
        device,
        dtype,
        subject=Subject(size),
        options=read_options(os.environ.get(OPTIONS_VARIABLE, ""))[1],
        progress=tell,
    )


def _measure(subject: str, model: str, device: str) -> list[Figure]:
    from ..evaluation import bench

    if subject == "frame":
        return bench.bench_frame(model, device)
    if subject == "anchors":
        return bench.bench_anchors(device)
    if subject == "transport":
        return bench.bench_transport(model, device)
    from ..evaluation.bench_quality import bench_quality

    return bench_quality(model, device)


def _plain(results: dict[str, list[Figure]]) -> dict[str, list[dict[str, object]]]:
    return {
        subject: [asdict(figure) | {"ratio": figure.ratio} for figure in figures]
        for subject, figures in results.items()
    }


def _print(about: dict[str, object], results: dict[str, list[Figure]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(", ".join(f"{key} {value}" for key, value in about.items() if value is not None))
    for subject, figures in results.items():
        table = Table("figure", "measured", "aim", "ratio", "stages in ms", title=subject)
        for figure in figures:
            bound = "at least" if figure.at_least else "at most"
            table.add_row(
                figure.name,
                f"{figure.value:.2f} {figure.unit}",
                "" if figure.aim is None else f"{bound} {figure.aim:g}",
                "" if figure.ratio is None else f"{figure.ratio:.2f}",
                ", ".join(f"{stage} {ms:.0f}" for stage, ms in figure.parts.items()),
            )
        console.print(table)
