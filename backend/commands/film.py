# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm film`: pictures of a folder as a film; what Playblast asks for from Blender."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..shared.errors import InputError
from .options import counted

app = typer.Typer(add_completion=False)


@app.command()
def film(
    folder: Annotated[Path, typer.Argument(help="Folder of PNG pictures, ordered by name.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The film (.mp4) to write.")],
    fps: Annotated[int, typer.Option(min=1, help="Frames a second.")] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Join the pictures of a folder to a film."""
    from ..frame_files import write_film

    names = sorted(folder.glob("*.png"))
    if not names:
        raise InputError(f"'{folder}' holds no PNG pictures; render some first.")
    write_film(output, names, fps)
    if as_json:
        print(json.dumps({"film": str(output), "frames": len(names)}))
    else:
        print(f"{output}: {counted(len(names), 'frame')}")
