# SPDX-License-Identifier: GPL-3.0-or-later
"""Which WorldFM this is."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

MANIFEST = Path(__file__).resolve().parents[1] / "blender_manifest.toml"


def version() -> str:
    """The extension's version, or that of the installed distribution where there is no extension
    around this package."""
    if MANIFEST.is_file():
        return tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["version"]
    return metadata.version("worldfm-backend")
