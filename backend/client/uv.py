# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to uv and what is understood of its answers. Runs nothing itself."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..shared.addresses import refuse_plain
from ..shared.errors import BackendError, InputError, WorldFMError
from .check_environment import TORCH_BUILD_LOCK, TORCH_LOCK, pinned
from .process import child_environment

PYTHON_RANGE = ">=3.11,<3.15"
"""Versions of Python that the pinned libraries have packages for."""

UNPACKED = 2.3
"""Bytes on disk per byte downloaded, measured on the environment without torch."""

LOCKED = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
"""Each file by its SHA-256, and never built here."""

_PIP_SOURCES = ("PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")
_SOURCES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def environment(folder: Path, parent: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For uv and pip: theirs stay below the data folder unless the user's own settings say else."""
    env = child_environment(parent)
    own = {
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_PYTHON_INSTALL_DIR": str(folder / "python"),
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "PIP_CACHE_DIR": str(folder / "cache" / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    return {**own, **env, "UV_NO_PROGRESS": "1"}


def torch_build(
    torch: str, cuda_13: bool, system: str = sys.platform, machine: str = platform.machine()
) -> str:
    """PyTorch's own build that is meant by a choice (auto, cpu, cu130, rocm7.2, xpu, ...) here.

    "" = the one that the package index has: on Linux for CUDA 13, elsewhere without, and none for
    Windows on ARM. "auto" means locked builds only. cuda_13: whether the graphics card and its
    driver can run that.
    """
    if not re.fullmatch(r"[a-z0-9.]+", torch):
        raise InputError(f"There is no PyTorch for '{torch}'; choose auto, cpu, cu130 or rocm7.2.")
    if torch == "auto":
        torch = "cu130" if cuda_13 and system != "darwin" else "cpu"
    if system == "win32" and machine.upper() == "ARM64":
        return torch
    return "" if torch == ("cu130" if system == "linux" else "cpu") else torch


def torch_packages(
    requirements: Path, torch: str, build: str, by_uv: bool, parent: Mapping[str, str] = os.environ
) -> list[list[str]]:
    """What `pip install` is told of PyTorch, in ways to try until one succeeds; [] = no lock.

    build: of `torch_build`. Every way checks SHA-256s, but for builds without a lock, which a user
    has to choose by name. Sources of the user's may have either locked build.
    """
    of_index = requirements.with_name(TORCH_LOCK)
    if not of_index.is_file():
        return []
    lock = requirements.with_name(TORCH_BUILD_LOCK.format(build)) if build else of_index
    sources = _SOURCES if by_uv else _PIP_SOURCES
    if (torch == "auto" or not by_uv) and any(parent.get(name) for name in sources):
        locks = [lock, of_index] if build and lock.is_file() else [of_index]
        return [[*LOCKED, "-r", str(one)] for one in locks]
    if not by_uv or not build:
        return [[*LOCKED, "-r", str(of_index)]]
    words = torch_arguments(torch, build, parent)
    if lock.is_file():
        return [[*LOCKED, *words, "-r", str(lock)]]
    version = dict(pinned(of_index.read_text(encoding="utf-8")))["torch"]
    return [["--only-binary", ":all:", *words, f"torch=={version}"]]


def torch_arguments(torch: str, build: str, parent: Mapping[str, str] = os.environ) -> list[str]:
    """uv's words for PyTorch's own index with a build; none where the package index or, with
    "auto", the user's own sources (UV_FIND_LINKS, UV_INDEX_URL, ...) have it."""
    if not build or (torch == "auto" and any(parent.get(name) for name in _SOURCES)):
        return []
    return ["--torch-backend", build]


def check_sources(environment: Mapping[str, str]) -> None:
    """Raises InputError when packages would come unprotected through the network."""
    for name in (*_SOURCES, *_PIP_SOURCES, "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        for address in re.split(r"[\s,]+", environment.get(name, "")):
            refuse_plain(address.rpartition("=")[2] if name == "UV_INDEX" else address, name)


@dataclass
class InstallProgress:
    """Follows the lines of `uv pip install` or `pip install`; `text` and `fraction` are for people.

    total_bytes: of the download as estimated before, 0 = unknown.
    """

    total_bytes: int = 0
    text: str = "Finding out which packages are needed."
    fraction: float = 0.0
    _sizes: dict[str, int] | None = None
    _done: int = 0

    def line(self, line: str) -> None:
        """Take in a line of output."""
        sizes = self._sizes = self._sizes or {}
        if found := re.match(r"\s*Downloading (\S+) \(([\d.]+) ?([KMG]?i?B)\)", line):
            name, size, unit = found.groups()
            sizes[name] = int(float(size) * _UNITS.get(unit, 1000 ** "BKMG".find(unit[0])))
            self._say_download(name)
        elif found := re.match(r"\s*Downloaded (\S+)", line):
            self._done += sizes.pop(found[1], 0)
            if sizes:
                self._say_download(max(sizes, key=lambda name: sizes[name]))
        elif line.startswith(("Prepared ", "Installing collected")):
            self.text, self.fraction = "Installing packages.", 0.95
        elif line.startswith(("Installed ", "Successfully installed")):
            self.text, self.fraction = "Checking the installation.", 0.99

    def written(self, count: int) -> None:
        """`count` bytes were written to the disk since the start: packages unpack as they come."""
        if self._sizes:
            in_flight = min(sum(self._sizes.values()), max(0, int(count / UNPACKED) - self._done))
            total = max(self.total_bytes, self._done + sum(self._sizes.values()))
            self.fraction = max(self.fraction, min(0.94, (self._done + in_flight) / total))

    def _say_download(self, name: str) -> None:
        assert self._sizes is not None
        megabytes = self._sizes[name] / 1e6
        self.text = f"Downloading {name} ({megabytes:.0f} MB)."
        self.written(0)


def explain(lines: list[str], doing: str, online: bool = True) -> WorldFMError:
    """One sentence for a run of uv or pip that failed with this output."""
    text = "\n".join(lines)
    if not online and re.search(_NOT_HERE, text):
        return BackendError(
            f"{doing} needs packages that are not on this computer; allow Online Access in "
            "Preferences > System, then press Install again."
        )
    for pattern, sentence in _SENTENCES:
        if found := re.search(pattern, text, re.IGNORECASE):
            return BackendError(sentence.format(*found.groups(), doing=doing))
    said = [line.strip() for line in lines if line.strip()] or ["it said nothing"]
    last = next((line for line in reversed(said) if "error" in line.lower()), said[-1])
    return BackendError(f"{doing} failed ({last}); press Install again, or send the log.")


_NOT_HERE = (
    "network was disabled|connectivity is disabled|No solution found|No matching distribution"
)
_KEPT = "what has been fetched is kept"
_SENTENCES = (
    (
        r"No space left|not enough space|os error 28\b|os error 112\b|Errno 28",
        "{doing} failed because the disk is full; free some space or move the data folder, then "
        f"press Install again: {_KEPT}.",
    ),
    (
        r"hash mismatch|THESE PACKAGES DO NOT MATCH THE HASHES|invalid zip|bad crc|"
        r"failed to extract|corrupt",
        "{doing} failed because a package arrived damaged; press Install again to fetch it anew.",
    ),
    (
        r"Failed to (?:fetch|download)|error sending request|Connection refused|timed? ?out|"
        r"dns error|Max retries exceeded|NewConnectionError|Temporary failure in name",
        "{doing} failed because the package server could not be reached; check the internet "
        f"connection and the proxy, then press Install again: {_KEPT}.",
    ),
    (
        r"No (?:virtual environment or system )?(?:Python|interpreter)[^\n]* found",
        "{doing} failed because there is no suitable Python; choose a Python 3.11 to 3.14 in the "
        "preferences.",
    ),
    (
        r"No solution found|No matching distribution|has no wheels with a matching",
        "{doing} failed because a package does not exist for this system and Python; choose a "
        "Python 3.11 to 3.14 or another PyTorch in the preferences.",
    ),
    (
        r"Long Path support|os error 206\b",
        "{doing} failed because a path became longer than Windows allows; move the data folder to "
        "a short one, such as C:\\WorldFM, then press Install again.",
    ),
    (
        r"Permission denied|Access is denied|os error 5\b|os error 13\b|os error 32\b",
        "{doing} failed because a file was locked or refused; close other Blenders, allow the "
        "data folder in your security software, then press Install again.",
    ),
)
