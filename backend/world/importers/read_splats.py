# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaussian splats of other kinds as a 3DGS PLY; runs in a process of its own (see `apart`)."""

from __future__ import annotations

from pathlib import Path

from ...shared.errors import InputError


def main(source: str, kind: str, target: str) -> None:
    """Converts the file `source` of gaussforge's format `kind` into the PLY `target`."""
    import gaussforge

    name = Path(source).name
    made = gaussforge.GaussForge().convert(Path(source).read_bytes(), kind, "ply")
    if made.get("error") or not made.get("data"):
        reason = str(made.get("error") or "it holds no splats")[:160].rstrip(".")
        raise InputError(f"'{name}' cannot be read as {kind}: {reason}; export it again.")
    Path(target).write_bytes(made["data"])
