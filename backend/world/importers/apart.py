# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign bytes are read by native code in a process of its own.

Whatever a damaged file does to such a reader (a crash, a loop without end, all memory), it costs
that process: the caller gets one sentence.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ...shared.errors import InputError

_ROOT_LEVELS = 3
GIGABYTE = 1 << 30


def run_apart(module: str, *args: str | Path, what: str, seconds: float, gigabytes: float) -> None:
    """Runs `main(args)` of the sibling module `module` within a time and an amount of memory.

    The module prints one sentence to stderr and exits with 2 for what the user can mend. `what`
    names the file in the sentence for everything else. Raises InputError.
    """
    package = __package__ or ""
    root = Path(__file__).resolve().parents[_ROOT_LEVELS]
    code = (
        f"import sys; sys.path.append({str(root)!r}); "
        f"from {package}.apart import limited; from {package}.{module} import main; "
        f"limited(main, {int(gigabytes * GIGABYTE)})"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-s", "-c", code, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
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


def limited(main: object, most_bytes: int) -> None:
    """In the process of its own: `main` with the command line's arguments, held to `most_bytes`."""
    try:
        import resource  # absent on Windows, where the time limit alone holds

        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    except (ImportError, ValueError, OSError):
        pass
    try:
        main(*sys.argv[1:])  # type: ignore[operator]
    except InputError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(InputError.exit_code)
