# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a frame model's weights lie and the hash that names them. No torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..shared.reading import open_plain

WEIGHTS = "model.safetensors"
EMBEDDED = Path(__file__).parent / "embedded"
"""The model that ships."""


def weights_hash(folder: Path) -> str:
    """First 12 hex digits of the SHA-256 of the weights file."""
    with open_plain(folder / WEIGHTS) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
