# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign bytes are read by native code in a process of its own.

Whatever a damaged file does to such a reader (a crash, a loop without end, all memory), it costs
that process: the caller gets one sentence.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ...shared.errors import InputError
from ...shared.orphan import end_with_parent

try:
    import resource
except ImportError:  # Windows: the clock alone holds
    resource = None  # type: ignore[assignment]

_ROOT_LEVELS = 3
GIGABYTE = 1 << 30
_BUSY = 20
"""Seconds by the clock for each of the processor's, on a machine that others keep busy."""


def run_apart(module: str, *args: str | Path, what: str, seconds: float, gigabytes: float) -> None:
    """Runs `main(args)` of the sibling module `module` within a time and an amount of memory.

    seconds: of the processor, so that a busy machine refuses nothing that a quiet one reads.

    The module prints one sentence to stderr and exits with 2 for what the user can mend. `what`
    names the file in the sentence for everything else. Raises InputError.
    """
    package = __package__ or ""
    root = Path(__file__).resolve().parents[_ROOT_LEVELS]
    code = (
        f"import sys; sys.path.append({str(root)!r}); "
        f"from {package}.apart import limited; from {package}.{module} import main; "
        f"limited(main, {int(gigabytes * GIGABYTE)}, {int(seconds) + 1})"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-s", "-c", code, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds * (_BUSY if resource else 2),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{what} cannot be read in a reasonable time; it is damaged, export it again."
        ) from error
    if done.returncode == 0:
        return
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode == InputError.exit_code and lines:
        raise InputError(lines[-1])
    raise InputError(f"{what} is damaged and cannot be read; export it again.")


def limited(main: Callable[..., None], most_bytes: int, most_seconds: int) -> None:
    """In the process of its own: `main` with the command line's arguments, held to the limits."""
    end_with_parent()
    if resource:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
            resource.setrlimit(resource.RLIMIT_CPU, (most_seconds, most_seconds + 1))
    try:
        main(*sys.argv[1:])
    except InputError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(InputError.exit_code)
