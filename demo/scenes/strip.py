# SPDX-License-Identifier: GPL-3.0-or-later
"""A strip of pictures for the README: lit scenes above, Cycles' own below.

    python -m demo.scenes.strip outputs/scenes docs/images/strip.jpg demo/Camera-21 street/Far-01

Takes what compare.py left, in the mode "none"; each argument names a scene and a view of it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image

GAP = 4
_QUALITY = 88


def strip(folder: Path, views: list[str], mode: str = "none") -> np.ndarray:
    """(H, W, 3) uint8 of two rows: what was made of each view, and its truth."""
    rows = []
    for kind in (mode, "truth"):
        cells = []
        for view in views:
            scene, _, name = view.partition("/")
            cells += [_read(folder / scene / "made" / kind / f"{name}.png"), None]
        height = cells[0].shape[0]
        gap = np.full((height, GAP, 3), 255, np.uint8)
        rows.append(np.hstack([gap if cell is None else cell for cell in cells[:-1]]))
    return np.vstack([rows[0], np.full((GAP, rows[0].shape[1], 3), 255, np.uint8), rows[1]])


def _read(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what compare.py left")
    parser.add_argument("target", type=Path, help="the JPEG to write")
    parser.add_argument("views", nargs="+", help="SCENE/VIEW each")
    options = parser.parse_args()
    beside = options.target.with_suffix(".part")
    picture = Image.fromarray(strip(options.folder, options.views))
    picture.save(beside, "JPEG", quality=_QUALITY)
    os.replace(beside, options.target)


if __name__ == "__main__":
    main()
