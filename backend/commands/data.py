# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm data`: procedural datasets and the validation set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from ..data.generate import SceneJob, is_written, plan, write_scene
from ..data.picture_folder import PictureFolder
from ..data.synth import KINDS
from ..data.validation import BLENDER_SCENES, check_bpy, render_blender_scene, traced_jobs
from ..shared.errors import InputError
from .options import Pictures, Threads, check_size, counted, make_folder, parse_size, progress_bar

SMALLEST = 8
"""Pixels a side of a picture that training can cut something from."""

app = typer.Typer(
    add_completion=False,
    help="Make data sets: procedural scenes, the validation set.",
    no_args_is_help=True,
)

Output = Annotated[
    Path, typer.Option("-o", "--output", help="Folder that gets one folder a scene.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or another torch device.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and no progress bar.")]


@app.command()
def synth(
    output: Output,
    kinds: Annotated[str, typer.Option(help=f"Any of {','.join(KINDS)}.")] = ",".join(KINDS),
    scenes: Annotated[int, typer.Option(help="How many scenes; the kinds take turns.")] = 12,
    views: Annotated[int, typer.Option(help="Views along one flight through each scene.")] = 16,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "256x256",
    seed: Annotated[int, typer.Option(help="Seed of the first scene; the next ones count up.")] = 0,
    pictures: Pictures = None,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Render posed RGB-D of procedural scenes. Scenes that are complete are left as they are."""
    names = [name.strip() for name in kinds.split(",") if name.strip()]
    jobs = plan(output, names, scenes, views, parse_size(size, smallest=SMALLEST), seed)
    make_folder(output)
    _write(jobs, device, as_json, PictureFolder(pictures) if pictures else ())
    _report(jobs, as_json)


@app.command()
def validation(
    output: Output,
    blender_python: Annotated[
        Path | None, typer.Option(help="A Python with bpy; renders six more scenes with Cycles.")
    ] = None,
    views: Annotated[int, typer.Option(min=1, help="Views of each scene.")] = 16,
    size: Annotated[int, typer.Option(help="Pixels along each side.")] = 256,
    samples: Annotated[int, typer.Option(min=1, help="Cycles samples a pixel.")] = 48,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Render the validation set: reserved seeds of the ray tracer and scenes by Cycles."""
    check_size(size, size, smallest=SMALLEST)
    if blender_python is not None:
        check_bpy(blender_python)
    jobs = traced_jobs(output, views, size)
    make_folder(output)
    _write(jobs, device, as_json)
    if blender_python is not None:
        jobs += _with_blender(output, blender_python, views, size, samples, as_json)
    _report(jobs, as_json)


def _with_blender(
    output: Path, python: Path, views: int, size: int, samples: int, quiet: bool
) -> list[SceneJob]:
    jobs = [
        SceneJob(output / f"cycles-{name}", name, 0, views, (size, size)) for name in BLENDER_SCENES
    ]
    missing = [job for job in jobs if not is_written(job)]
    with progress_bar(quiet) as progress:
        task = progress.add_task("Cycles", total=len(missing) * views)
        for job in missing:
            progress.update(task, description=f"Cycles {job.kind}")
            render_blender_scene(
                job.folder, job.kind, python, views=views, size=size, samples=samples,
                on_view=lambda: progress.advance(task),
            )  # fmt: skip
    return jobs


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"The device '{name}' cannot be used here; choose cpu or auto.") from error
    return name


def _write(
    jobs: list[SceneJob], device: str, quiet: bool, pictures: Sequence[np.ndarray] = ()
) -> None:
    target = _device(device)
    missing = [job for job in jobs if not is_written(job)]
    with progress_bar(quiet) as progress:
        task = progress.add_task("Scenes", total=sum(job.views for job in missing))
        for job in missing:
            progress.update(task, description=job.folder.name)
            write_scene(job, target, lambda: progress.advance(task), pictures)


def _report(jobs: list[SceneJob], as_json: bool) -> None:
    if as_json:
        folders = [str(job.folder) for job in jobs]
        typer.echo(json.dumps({"scenes": folders, "views": sum(job.views for job in jobs)}))
    else:
        are = "is" if len(jobs) == 1 else "are"
        typer.echo(f"{counted(len(jobs), 'scene')} {are} in {jobs[0].folder.parent}.")
