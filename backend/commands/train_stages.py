# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm train` in a checkout: the three stages, and the samples they train on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    Overwrite,
    Pictures,
    Threads,
    check_size,
    counted,
    make_folder,
    progress_bar,
    refuse_existing,
    tracked,
)

if TYPE_CHECKING:
    from ..training.cell_nets import CellTask

app = typer.Typer(add_completion=False)

Config = Annotated[
    Path, typer.Argument(help="TOML file, such as those in backend/training/configs.")
]
Processes = Annotated[int, typer.Option(min=1, help="How many to render with, one thread each.")]
Resume = Annotated[bool, typer.Option(help="Go on from the last checkpoint of the output folder.")]


def _run(stage: str, config: Path, resume: bool, overwrite: bool) -> None:
    from ..training.config import read_config

    settings = read_config(config)
    if not resume and os.environ.get("RANK", "0") == "0":  # its companions come to the same place
        refuse_existing(Path(settings.output), overwrite)
    from ..training.loop import Trainer

    Trainer(stage, settings, resume, overwrite=overwrite).run()


@app.command()
def stage1(
    config: Config, resume: Resume = False, overwrite: Overwrite = False, threads: Threads = 0
) -> None:
    """Image diffusion and a small autoencoder, from scratch or from PixArt-Sigma ('pixart')."""
    _run("stage1", config, resume, overwrite)


@app.command()
def stage2(
    config: Config, resume: Resume = False, overwrite: Overwrite = False, threads: Threads = 0
) -> None:
    """Controllable frame model: anchors, memory frames and cameras as conditions."""
    _run("stage2", config, resume, overwrite)


@app.command()
def stage3(
    config: Config, resume: Resume = False, overwrite: Overwrite = False, threads: Threads = 0
) -> None:
    """Few-step generator: distillation to one and two steps, regression, discriminator."""
    _run("stage3", config, resume, overwrite)


@app.command()
def samples(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of samples to fill.")],
    scenes: Annotated[int, typer.Option(min=1, help="Procedural scenes to render.")] = 100,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first scene.")] = 0,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 128,
    per_flight: Annotated[int, typer.Option(min=1, help="Samples a flight; a scene has two.")] = 14,
    dataset: Annotated[
        Path | None, typer.Option(help="A nerfstudio dataset to take samples from instead.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="A folder of photos to take samples from instead.")
    ] = None,
    pictures: Pictures = None,
    device: Annotated[str, typer.Option(help="Where to make them: cpu, cuda, ...")] = "cpu",
    threads: Threads = 0,
    processes: Processes = 1,
) -> None:
    """Make training samples from procedural scenes, a dataset with depth, or photos.

    Photos are seen from aside by their estimated depth and asked back.
    """
    check_size(size, size)
    from ..data.picture_folder import PictureFolder
    from ..pipelines.embedded import choose_device
    from ..training.photo_samples import fill_with_photos
    from ..training.sample_cache import add_dataset, fill_cache

    device = str(choose_device(device))
    textures = PictureFolder(pictures) if pictures else ()
    truths = PictureFolder(photos) if photos else None
    make_folder(output)
    if dataset is not None:
        total, unit = scenes * per_flight, "sample"
        done: Iterator[object] = add_dataset(output, dataset, dataset.name, total, first_seed)
    elif truths is not None:
        total, unit = len(truths), "photo"
        done = fill_with_photos(output, truths, size, per_flight, processes)
    else:
        seeds, total, unit = range(first_seed, first_seed + scenes), scenes, "scene"
        done = fill_cache(output, seeds, size, per_flight, processes, textures, device)
    tracked(done, total, "Making samples")
    typer.echo(f"{counted(total, unit)} in {output}")


Examples = Annotated[Path, typer.Option(help="Folder of examples; rendered into if need be.")]
Network = Annotated[Path, typer.Option("-o", "--output", help="Folder of the trained network.")]
Scenes = Annotated[int, typer.Option(min=0, help="Procedural scenes to render first.")]
FirstSeed = Annotated[int, typer.Option(min=0, help="Seed of the first scene.")]
Minutes = Annotated[float, typer.Option(min=0.01, help="How long to train.")]
Batch = Annotated[int, typer.Option(min=1, help="Examples a step.")]
Start = Annotated[Path | None, typer.Option(help="A network of this kind to go on from.")]
Device = Annotated[str, typer.Option(help="Where to train: auto, cpu, cuda, ...")]


def _add(name: str, about: str, count: int, long: float) -> None:
    """The command that trains one of the small networks. count, long: scenes and minutes."""

    def train(
        output: Network,
        examples: Examples,
        scenes: Scenes = count,
        first_seed: FirstSeed = 0,
        minutes: Minutes = long,
        batch: Batch = 32,
        start: Start = None,
        device: Device = "auto",
        processes: Processes = 1,
        threads: Threads = 0,
        overwrite: Overwrite = False,
    ) -> None:
        seeds = range(first_seed, first_seed + scenes)
        _train_cells(
            _task(name),
            output,
            examples,
            seeds,
            processes,
            minutes,
            batch,
            device,
            start,
            overwrite,
        )

    app.command(name, help=about)(train)


_add("completion", "The small network that completes depth where there are no anchors.", 200, 15.0)
_add("colors", "The small network that colours what no memory frame saw.", 300, 30.0)


def _task(name: str) -> CellTask:
    from ..training.cell_colors import CELL_COLORS
    from ..training.completion import COMPLETION

    return {"completion": COMPLETION, "colors": CELL_COLORS}[name]


def _train_cells(
    task: CellTask,
    output: Path,
    examples: Path,
    seeds: range,
    processes: int,
    minutes: float,
    batch: int,
    device: str,
    start: Path | None,
    overwrite: bool,
) -> None:
    refuse_existing(output, overwrite)
    from ..pipelines.embedded import choose_device
    from ..training.cell_nets import check_start, render_flights, train_cells

    place = choose_device(device)
    check_start(task, start)  # before the rendering, which may take hours
    make_folder(examples)
    tracked(render_flights(task, examples, seeds, processes), len(seeds), "Rendering scenes")
    with progress_bar(share=True) as bar:
        training = bar.add_task("Training", total=60 * minutes)
        for figures in train_cells(task, examples, output, minutes, batch, place, start=start):
            text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            elapsed = bar.tasks[training].elapsed or 0.0
            bar.update(training, completed=min(elapsed, 60 * minutes), description=text)
        bar.update(training, completed=60 * minutes)
    typer.echo(text)
