# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the pictures of the user's guide from those that the GUI tests took.

    python -m tests.gui.guide [FOLDER]      docs/images without

The tests' screens are a Blender's with default settings, of one size: places on it are fixed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from .real_blender import ROOT

WIDTH = 1200
_QUALITY = 86
_SCREENS = {"preview": "preview-still", "render": "render-window", "begin": "newcomer-no-memory"}
"""Whole screens: the guide's picture, and the tests'."""
_PARTS = {
    "preferences": ("preferences", (285, 325, 965, 575)),
    "install-estimate": ("install-estimate", (285, 425, 965, 553)),
    "memory": ("preview-still", (1026, 82, 1312, 734)),
}
"""Parts of screens, above whatever names folders: left, top, right, bottom."""


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    taken = ROOT / "outputs" / "gui"
    for name, source in _SCREENS.items():
        screen = Image.open(taken / f"{source}.png").convert("RGB")
        height = round(WIDTH * screen.height / screen.width)
        small = screen.resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.save(target / f"{name}.jpg", quality=_QUALITY)
    for name, (source, part) in _PARTS.items():
        screen = Image.open(taken / f"{source}.png").convert("RGB")
        screen.crop(part).save(target / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
