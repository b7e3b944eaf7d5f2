# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by the backend's own interpreter: which of its packages are missing or damaged.

    python -I check_environment.py REQUIREMENTS.txt

Prints one JSON list of sentences; an empty one means that all is well. Only the standard library.
"""

from __future__ import annotations

import csv
import importlib.metadata as metadata
import json
import ntpath
import re
import sys
from pathlib import Path


def problems(requirements: Path) -> list[str]:
    """What is wrong with the packages that `requirements` pins."""
    found = []
    for name, version in pinned(requirements.read_text(encoding="utf-8")):
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found.append(f"The package {name} is missing.")
            continue
        installed = distribution.version.split("+")[0]
        if installed != version:
            found.append(f"The package {name} is {installed} instead of {version}.")
        found += [f"The file {path} of {name} {what}." for path, what in damaged(distribution)]
    return found


def pinned(text: str) -> list[tuple[str, str]]:
    """(name, version) of the lines `name==version ; marker` whose marker holds here."""
    pins = []
    for line in text.splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)\s*(?:;(.*))?$", line.strip())
        if match and holds(match[3]):
            pins.append((match[1], match[2]))
    return pins


def holds(marker: str | None) -> bool:
    """Whether a requirement's marker is true here. pip brings the evaluator, else it counts as so.

    uv's environments have no pip: then only what is installed anyway is asked after.
    """
    return marker is None or _evaluate(marker.strip())


_COMPARISON = re.compile(r"(\w+) (==|!=|<=|>=|<|>) '([^']*)'")


def _evaluate(marker: str) -> bool:
    """`a OP 'b'` joined by `and` / `or` without brackets: all that the pinned list has."""
    return any(
        all(_compare(*_COMPARISON.fullmatch(part.strip()).groups()) for part in side.split(" and "))
        for side in marker.split(" or ")
    )


def _compare(name: str, operator: str, value: str) -> bool:
    import os
    import platform

    version = name.startswith("python")
    here = {
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
        "os_name": os.name,
        "platform_system": platform.system(),
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "implementation_name": sys.implementation.name,
    }[name]
    a, b = (_numbers(here), _numbers(value)) if version else (here, value)
    return {
        "==": a == b,
        "!=": a != b,
        "<": a < b,
        "<=": a <= b,
        ">": a > b,
        ">=": a >= b,
    }[operator]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def damaged(distribution: metadata.Distribution) -> list[tuple[str, str]]:
    """(path, what) of files that its record lists but that are gone or of another size."""
    found = []
    # Distribution.files leaves out what is gone, from Python 3.12 on
    for file, _, size in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if file.endswith(".pyc") or not size:
            continue
        path = Path(unlimited(str(distribution.locate_file(file))))
        if not path.is_file():
            found.append((file, "is missing"))
        elif path.stat().st_size != int(size):
            found.append((file, "was changed"))
    return found


def unlimited(path: str, system: str = sys.platform) -> str:
    r"""The path with \\?\ before it on Windows: torch has files deeper than its 260 characters."""
    plain = ntpath.normpath(path)
    if system != "win32" or plain.startswith("\\\\"):  # a share, or marked already
        return path
    return "\\\\?\\" + plain


if __name__ == "__main__":
    print(json.dumps(problems(Path(sys.argv[1]))))
