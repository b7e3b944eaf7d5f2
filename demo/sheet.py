# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the demo's contact sheet from the passes and the ground truth that run.py left.

python -m demo.sheet DIR
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

from backend.evaluation.contact_sheet import contact_sheet, png_bytes
from backend.evaluation.metrics import psnr


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Scene-linear (H, W, 3) to sRGB uint8."""
    value = np.clip(linear, 0, 1)
    curve = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)


def read_pass(file: Path, name: str) -> np.ndarray:
    """The RGB of one pass of a multilayer EXR, (H, W, 3) float32, row 0 on top."""
    channels = OpenEXR.File(str(file), separate_channels=True).channels()
    wanted = [next(key for key in channels if key.endswith(f"{name}.{c}")) for c in "RGB"]
    return np.stack([channels[key].pixels for key in wanted], -1).astype(np.float32)


def main() -> None:
    folder = Path(sys.argv[1])
    rows, captions = [], []
    for file in sorted((folder / "passes").glob("*.exr")):
        truth = cv2.imread(str(folder / "truth" / f"{file.stem}.png"))[..., ::-1]
        row = {
            "anchor render": to_srgb(read_pass(file, "Anchor")),
            "generated": to_srgb(read_pass(file, "Combined")),
            "ground truth": truth,
        }
        rows.append(row)
        shown = {label: psnr(row[label], truth) for label in ("anchor render", "generated")}
        captions.append({label: f"{value:.1f} dB" for label, value in shown.items()})
        print(f"frame {int(file.stem)}: " + ", ".join(f"{k} {v:.2f} dB" for k, v in shown.items()))
    target = folder / "contact_sheet.png"
    beside = target.with_suffix(".png.tmp")
    beside.write_bytes(png_bytes(contact_sheet(rows, captions)))
    os.replace(beside, target)


if __name__ == "__main__":
    main()
