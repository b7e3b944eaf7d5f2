# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm train card`: a machine with an accelerator that is at hand for minutes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .options import Overwrite, refuse_existing

app = typer.Typer(add_completion=False)

CONFIG = Path(__file__).parents[1] / "training" / "configs" / "embedded-finetune.toml"
CHECKS = 0.35
"""Part of the minutes for checks, where training follows."""


@app.command()
def card(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of what comes of it.")],
    minutes: Annotated[float, typer.Option(min=0.05, help="All of it, checks included.")] = 8.0,
    device: Annotated[str, typer.Option(help="cuda, or cpu to try it out.")] = "cuda",
    checks_only: Annotated[bool, typer.Option("--checks", help="No training.")] = False,
    config: Annotated[Path, typer.Option(help="Settings of stage 3 to train with.")] = CONFIG,
    size: Annotated[int, typer.Option(min=32, help="Pixels a side of the samples.")] = 256,
    frame: Annotated[
        int, typer.Option(min=64, help="Pixels a side of the official model's frame.")
    ] = 512,
    processes: Annotated[
        int, typer.Option(min=0, help="That make samples; 0 = all processors but two.")
    ] = 0,
    vectors: Annotated[
        Path | None, typer.Option(help="Folder of conformance vectors, to compare with.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Check a card (tests, conformance, speed of both models), then train on it till time is up.

    checks.json has the checks; run/model the weights, at most 16 MB; run/checkpoint what resuming
    needs, in files as small.
    """
    refuse_existing(output, overwrite)
    from ..pipelines.embedded import choose_device
    from ..training.card import checks, run_checks, train_on_card
    from ..training.config import read_config

    place, settings = str(choose_device(device)), read_config(config)
    seconds = 60 * minutes
    share = 1.0 if checks_only else CHECKS
    failed = []
    for done in run_checks(checks(place, frame, vectors), output, share * seconds):
        word = {0: "passed", None: "ran out of time"}.get(done.code, "FAILED")
        failed += [done.name] if done.code else []
        typer.echo(f"{done.name}: {word} in {done.seconds:.0f} s")
        seconds -= done.seconds
    if not checks_only:
        makers = processes or max(1, (os.cpu_count() or 1) - 2)
        model = train_on_card(settings, output, place, seconds, size, makers)
        typer.echo(f"The weights are in {model}.")
    if failed:
        raise typer.Exit(1)
