# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm train depth`: the embedded depth network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import Threads, counted, make_folder, progress_bar

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Train the network that estimates a single picture's depth.",
)

Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder of views and network.")]
Minutes = Annotated[float, typer.Option(min=0.01, help="How long.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")]
HeldOut = Annotated[int, typer.Option(min=1, help="Scenes of each kind to measure on.")]


@app.command()
def render(output: Folder, minutes: Minutes = 60.0, seed: Seed = 0, threads: Threads = 0) -> None:
    """Render views of procedural scenes for some time; those that are there stay."""
    make_folder(output)
    from ..training.depth_views import render_scenes

    with progress_bar(share=True) as bar:
        task, total = bar.add_task("Rendering", total=60 * minutes), 60 * minutes
        for spent in render_scenes(output / "views", minutes, seed):
            bar.update(task, completed=min(spent, total))
        bar.update(task, completed=total, description="Rendered")
    count = len(list((output / "views").glob("*.safetensors")))
    print(f"{counted(count, 'scene')} of views in {output / 'views'}")


@app.command()
def add(
    captures: Annotated[list[Path], typer.Argument(help="Captures with depth, ground at z = 0.")],
    output: Folder,
) -> None:
    """Add the views of captures with depth (transforms.json), such as furnished scenes."""
    make_folder(output)
    from ..training.depth_views import add_captures

    with progress_bar(share=True) as bar:
        task = bar.add_task("Adding", total=len(captures))
        for _ in add_captures(output / "views", captures):
            bar.advance(task)
    count = len(list((output / "views").glob("*.safetensors")))
    print(f"{counted(count, 'scene')} of views in {output / 'views'}")


@app.command()
def train(
    output: Folder,
    minutes: Minutes = 60.0,
    batch: Annotated[int, typer.Option(min=1, help="Crops a step.")] = 12,
    learning_rate: Annotated[float, typer.Option(min=1e-9, help="At its highest.")] = 1.2e-3,
    seed: Seed = 0,
    held_out_scenes: HeldOut = 6,
    anew: Annotated[bool, typer.Option("--anew", help="Not from the embedded network.")] = False,
    threads: Threads = 0,
) -> None:
    """Train on from the embedded network; the same command again goes on where it was stopped."""
    make_folder(output)
    from ..models.depth import EMBEDDED
    from ..training.depth import train as train_network

    with progress_bar(share=True) as bar:
        task, total = bar.add_task("Training", total=60 * minutes), 60 * minutes

        def tell(spent: float) -> None:
            bar.update(task, completed=min(spent, total))

        train_network(
            output,
            minutes,
            batch,
            learning_rate,
            seed,
            held_out_scenes,
            tell,
            None if anew else EMBEDDED,
        )
        bar.update(task, completed=total, description="Trained")


@app.command()
def measure(output: Folder, held_out_scenes: HeldOut = 6, threads: Threads = 0) -> None:
    """Compare the trained network with a flat guess on scenes it has never seen; prints JSON."""
    from ..training.depth import measure as measure_network

    with progress_bar() as bar:
        task = bar.add_task("Measuring", total=1)
        found = measure_network(output, held_out_scenes)
        bar.update(task, completed=1)
    print(json.dumps(found, indent=2))
