# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `worldfm`: mounts the groups of commands and turns errors into sentences."""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from .limits import check_limits
from .offline import stay_offline
from .shared.errors import InputError, WorldFMError

KERNEL_FILES = ",".join(
    [f"{__package__}.kernel_files.ByContent", "InTreeCacheLocator", "UserWideCacheLocator"]
)
"""Where Numba keeps what it compiles; see that module."""

COMMANDS = {
    "doctor": "What is installed, which devices work, which models are present.",
    "serve": "Run the generation process that Blender talks to.",
    "warm": "Compile the kernels that light scenes ahead of the first picture.",
    "world": "Build worlds from images, panoramas, data sets and point clouds.",
    "path": "Write camera paths: around, between, or from what there is.",
    "render": "Render the cameras of a path with a world.",
    "film": "Join the pictures of a folder to a film.",
    "evaluate": "Measure the model against posed pictures and classical baselines.",
    "bench": "Measure speed, memory and quality on this machine.",
    "train": "Adapt the frame model to a world, or train it: stage 1, 2 and 3.",
    "data": "Make training and validation data.",
    "models": "List, download, verify, convert and remove models.",
    "conformance": "Compare with the test vectors of the reference implementation.",
}
"""Each command and its line of help; `backend.commands.NAME` is imported when it is used."""


COMPUTING = {"serve", "world", "render", "evaluate", "bench", "train", "conformance"}
"""Commands that load the libraries which need memory."""


_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


class LazyCommands(TyperGroup):
    """Commands whose modules (and the libraries these need) are imported only to be run."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name in COMMANDS if _is_here(name)]

    def get_command(self, ctx: Any, name: str) -> TyperCommand | None:
        """A stand-in that has the command's name and help, enough to list it."""
        if name not in COMMANDS:
            return None
        if not _is_here(name):
            raise InputError(
                f"The extension comes without 'worldfm {name}'; run it in a checkout of the source."
            )
        return TyperCommand(name, help=COMMANDS[name])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            if command.name in COMPUTING and "--help" not in args:
                check_limits()
            module = importlib.import_module(f".commands.{command.name}", __package__)
            command = typer.main.get_command(module.app)
        return name, command, rest


def _is_here(name: str) -> bool:
    """Whether the command's module is; the extension carries only what serves Blender."""
    return importlib.util.find_spec(f".commands.{name}", __package__) is not None


app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from .version import version

        print(f"WorldFM {version()}")
        raise typer.Exit


@app.callback()
def worldfm(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Worlds of anchor points and memory frames, and a model that renders views of them."""


def _end_without_output(code: int) -> NoReturn:
    """What could not be written out is not tried again at the interpreter's end."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        sys.stdout.close()
    sys.exit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong input. Errors go to stderr."""
    stay_offline()
    # threads that wait for work leave the processor to others; read when the library is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong is said in a sentence
    os.environ.setdefault("NUMBA_CACHE_LOCATOR_CLASSES", KERNEL_FILES)
    try:
        typer.main.get_command(app).main(arguments, prog_name="worldfm")
    except WorldFMError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except MemoryError:
        print(
            "Error: There is not enough memory for this; close other programs or use smaller "
            "pictures.",
            file=sys.stderr,
        )
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno not in _OF_THE_DISK:
            raise
        what = error.filename or "the output cannot be written"
        print(f"Error: {error.strerror}: {what}; choose a place that can be used.", file=sys.stderr)
        _end_without_output(1)
