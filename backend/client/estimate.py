# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation will fetch, before it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .uv import UNPACKED


@dataclass(frozen=True)
class Estimate:
    """What an installation will fetch. download_bytes, disk_bytes: 0 = the index doesn't say."""

    packages: int
    download_bytes: int
    disk_bytes: int
    torch: str


def read_estimate(lock: Path) -> Estimate:
    """Sizes from a pylock.toml (PEP 751) that was resolved for one system.

    Where a package has several wheels for it, the first counts; uv lists the best first.
    """
    import tomllib  # Python 3.11; Blender 4.2 has it

    packages = tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", [])
    sizes = [_size(package) for package in packages]
    torch = next((p["version"] for p in packages if p["name"] == "torch"), "")
    known = all(size is not None for size in sizes)
    total = sum(size or 0 for size in sizes) if known else 0
    return Estimate(len(packages), total, int(total * UNPACKED), torch)


def _size(package: dict[str, Any]) -> int | None:
    for source in [*package.get("wheels", []), package.get("sdist") or {}]:
        if "size" in source:
            return int(source["size"])
        if "path" in source:  # a local package: nothing is downloaded
            return 0
        if str(source.get("url", "")).startswith("file:"):
            return 0
    return None
