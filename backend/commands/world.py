# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm world`: worlds from images, panoramas, data sets and point clouds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..shared.errors import InputError

if TYPE_CHECKING:
    from ..world.world import World

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def world() -> None:
    """Build worlds: folders of anchor points and memory frames."""


@app.command()
def build(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new world.")],
    image: Annotated[Path | None, typer.Option(help="A photo; its depth is estimated.")] = None,
    panorama: Annotated[Path | None, typer.Option(help="A 2:1 panorama.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="Folder with transforms.json.")] = None,
    ply: Annotated[Path | None, typer.Option(help="A coloured point cloud.")] = None,
    camera: Annotated[
        Path | None, typer.Option(help="Camera path (JSON) whose first camera took --image.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was built as JSON.")] = False,
) -> None:
    """Build a world from one source; a point cloud may be joined by a photo and its camera."""
    from rich.console import Console

    with Console(stderr=True).status("Building the world"):
        made = _build(image, panorama, dataset, ply, camera, device)
        made.save(output)
    about = {"world": str(output), "points": len(made.anchors), "memory": len(made.memory)}
    if as_json:
        print(json.dumps(about))
    else:
        print(f"{output}: {about['points']} points, {about['memory']} memory frames")


def _build(
    image: Path | None,
    panorama: Path | None,
    dataset: Path | None,
    ply: Path | None,
    camera: Path | None,
    device: str,
) -> World:
    sources = [source for source in (panorama, dataset, ply) if source is not None]
    if len(sources) + (image is not None and ply is None) != 1:
        raise InputError(
            "Name one source: --image, --panorama, --dataset or --ply "
            "(--ply may have --image and --camera beside it)."
        )
    if ply is not None and (image is None) != (camera is None):
        raise InputError("A photo of a point cloud needs both --image and --camera.")
    for path in (image, panorama, dataset, ply, camera):
        if path is not None and not path.exists():
            raise InputError(f"{path} does not exist; check its name.")
    from ..world.importers import build as builders

    if panorama is not None:
        return builders.world_from_panorama(panorama, device)
    if dataset is not None:
        return builders.world_from_dataset(dataset)
    if ply is not None:
        return builders.world_from_ply(ply, image, camera)
    assert image is not None
    return builders.world_from_image(image, camera, device)
