# SPDX-License-Identifier: GPL-3.0-or-later
"""What commands share: sizes, threads, bars on stderr, and inputs checked before long work."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..shared.camera import MAX_SIZE
from ..shared.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

SMALLEST = 16
"""Pixels a side below which the model has no token to work with."""


def use_threads(count: int) -> int:
    """Let every library compute with `count` CPU threads; 0 leaves them as they are."""
    if count:
        for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(count)  # for libraries that are loaded later, and for children
        import cv2
        import torch

        torch.set_num_threads(count)
        cv2.setNumThreads(count)
        if "numba" in sys.modules:
            numba = sys.modules["numba"]
            numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    return count


Threads = Annotated[
    int, typer.Option(min=0, help="CPU threads; 0 = all.", callback=use_threads, is_eager=True)
]
Pictures = Annotated[
    Path | None,
    typer.Option(help="Folder of pictures that some of the textures are taken from."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]


def parse_size(text: str, option: str = "--size", smallest: int = SMALLEST) -> tuple[int, int]:
    """(width, height) of '512x288' or '256'. Raises InputError for others and for tiny ones."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*(?:[xX]\s*(\d{1,6})\s*)?", text)
    if match is None:
        raise InputError(f"{option} takes width x height, such as 512x288, not '{text}'.")
    width, height = int(match[1]), int(match[2] or match[1])
    check_size(width, height, option, smallest)
    return width, height


def check_size(width: int, height: int, option: str = "--size", smallest: int = SMALLEST) -> None:
    """Raises InputError unless frames of this size can be made."""
    if min(width, height) < smallest or max(width, height) > MAX_SIZE:
        raise InputError(
            f"{option} {width}x{height} cannot be rendered; choose from {smallest} to {MAX_SIZE} "
            "pixels a side."
        )


def refuse_existing(path: Path | None, overwrite: bool) -> None:
    """Raises InputError when something is at `path` and may not be replaced."""
    if path is None or overwrite or not path.exists():
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    raise InputError(f"'{path}' exists already; add --overwrite to replace it, or name another.")


def make_folder(folder: Path) -> None:
    """Makes the output folder now, so that a place that cannot be used is not found out later."""
    folder.mkdir(parents=True, exist_ok=True)


def counted(number: int, thing: str) -> str:
    """'1 frame', '2 frames'."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def progress_bar(quiet: bool = False, share: bool = False) -> Progress:
    """A bar on stderr: done of all, or in percent with `share`; nothing when quiet."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    count = TaskProgressColumn() if share else MofNCompleteColumn()
    columns: tuple[Any, ...] = (TextColumn("{task.description}"), BarColumn(), count)
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=quiet)


def tracked(work: Iterable[Any], total: int, description: str, quiet: bool = False) -> None:
    """Goes through all of `work`, one of `total` steps each, with a bar."""
    with progress_bar(quiet) as bar:
        for _ in bar.track(work, total, description=description):
            pass


@contextmanager
def reporting(as_json: bool) -> Iterator[Callable[[str, float], None]]:
    """Takes (what is done, part that is done): a bar for people, lines of JSON for programs that
    show one of their own."""
    if as_json:
        last = [-1.0, ""]

        def tell(what: str, share: float) -> None:
            if [round(share, 3), what] != last:
                last[:] = [round(share, 3), what]
                line = json.dumps({"progress": last[0], "text": what})
                print(line, file=sys.stderr, flush=True)

        yield tell
        return
    with progress_bar(share=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
        bar.update(task, completed=1.0)
