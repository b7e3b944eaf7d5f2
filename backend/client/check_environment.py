# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by the backend's own interpreter: which of its packages are missing or damaged.

    python -I check_environment.py REQUIREMENTS.txt

Prints one JSON list of sentences; an empty one means that all is well. Only the standard library.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata as metadata
import json
import ntpath
import os
import platform
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TORCH_LOCK = "requirements-torch.txt"
TORCH_BUILD_LOCK = "requirements-torch-{}.txt"
_CHUNK = 1 << 20
_THREADS = 4


def problems(requirements: Path) -> list[str]:
    """What is wrong with the packages that `requirements` and the PyTorch lock beside it pin."""
    found = []
    for name, version in pinned(requirements.read_text(encoding="utf-8")):
        found += _of_package(name, version)
    torch = requirements.with_name(TORCH_LOCK)
    if torch.is_file():
        for name, version in pinned(torch.read_text(encoding="utf-8")):
            if name == "torch":
                found += _of_package(name, version)
            elif _installed(name) is not None:  # which of them there are depends on the build
                found += _of_package(name, None)
    return found


def _of_package(name: str, version: str | None) -> list[str]:
    distribution = _installed(name)
    if distribution is None:
        return [f"The package {name} is missing."]
    installed = _version(distribution)
    if not installed:
        return [f"The package {name} is damaged."]
    if version is not None and installed != version:
        return [f"The package {name} is {installed} instead of {version}."]
    return [f"The file {path} of {name} {what}." for path, what in damaged(distribution)]


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _version(distribution: metadata.Distribution) -> str:
    """Without the build's label; "" = its description is gone."""
    try:
        found = distribution.version
    except (LookupError, TypeError, ValueError, ImportError):  # it depends on the Python which
        return ""
    return (found or "").split("+")[0]


def pinned(text: str) -> list[tuple[str, str]]:
    """(name, version) of the lines `name==version ; marker` whose marker holds here."""
    pins = []
    for line in text.splitlines():
        line = line.strip().removesuffix("\\").strip()  # the lines of its hashes follow
        match = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)\s*(?:;(.*))?$", line)
        if match and holds(match[3]):
            pins.append((match[1], match[2]))
    return pins


def holds(marker: str | None) -> bool:
    """Whether a requirement's marker is true here."""
    return marker is None or _Marker(marker).value()


class _Marker:
    """`a OP 'b'` joined by `and`, `or` and brackets: all that locked lists have."""

    _PARTS = re.compile(r"\s*(\(|\)|\band\b|\bor\b|(\w+)\s*(==|!=|<=|>=|<|>)\s*'([^']*)')")

    def __init__(self, text: str) -> None:
        self._parts = list(self._PARTS.finditer(text.strip()))
        if "".join(part[0] for part in self._parts) != text.strip():
            raise ValueError(f"The marker {text.strip()!r} is not understood.")

    def value(self) -> bool:
        """Consumes the marker."""
        return self._any()

    def _any(self) -> bool:
        sides = [self._all()]
        while self._take("or"):
            sides.append(self._all())
        return any(sides)

    def _all(self) -> bool:
        sides = [self._one()]
        while self._take("and"):
            sides.append(self._one())
        return all(sides)

    def _one(self) -> bool:
        if self._take("("):
            inside = self._any()
            self._take(")")
            return inside
        part = self._parts.pop(0)
        return _compare(part[2], part[3], part[4])

    def _take(self, word: str) -> bool:
        if self._parts and self._parts[0][1] == word:
            self._parts.pop(0)
            return True
        return False


def _compare(name: str, operator: str, value: str) -> bool:
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
    a: Any = _numbers(here) if version else here
    b: Any = _numbers(value) if version else value
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
    """(path, what) of files that its record lists but that are gone or of other content."""
    # Distribution.files leaves out what is gone, from Python 3.12 on
    try:
        record = list(csv.reader((distribution.read_text("RECORD") or "").splitlines()))
    except (csv.Error, ValueError):
        return [("RECORD", "was changed")]
    rows = [
        (row[0], row[1], Path(unlimited(str(distribution.locate_file(row[0])))))
        for row in record
        if len(row) == 3 and row[1].startswith("sha256=") and not row[0].endswith(".pyc")
    ]
    if not rows:  # every wheel lists its own description at least
        return [("RECORD", "is missing")]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda row: (row[0], _state(row[2], row[1])), rows)
        return [(file, what) for file, what in found if what]


def _state(path: Path, recorded: str) -> str:
    """What is wrong with a file; "" = nothing."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return "is missing"
    text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return "" if text == recorded.removeprefix("sha256=") else "was changed"


def unlimited(path: str, system: str = sys.platform) -> str:
    r"""The path with \\?\ before it on Windows: torch has files deeper than its 260 characters."""
    plain = ntpath.normpath(path)
    if system != "win32" or plain.startswith("\\\\"):  # a share, or marked already
        return path
    return "\\\\?\\" + plain


if __name__ == "__main__":
    print(json.dumps(problems(Path(sys.argv[1]))))
