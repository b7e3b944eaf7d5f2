# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures side by side, with a label on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

LABEL_HEIGHT = 18
GAP = 4
MAX_CELL = 256
_BACKGROUND = 24
_INK = (230, 230, 230)


def contact_sheet(
    rows: Sequence[Mapping[str, np.ndarray]], captions: Sequence[Mapping[str, str]] = ()
) -> np.ndarray:
    """One picture (H, W, 3) uint8 of `rows`, each a mapping label -> (h, w, 3) uint8.

    captions: per row, label -> text that follows the label (a figure, for instance). Pictures
    larger than 256 pixels are scaled down.
    """
    columns = max(len(row) for row in rows)
    height, width = next(iter(rows[0].values())).shape[:2]
    scale = min(1.0, MAX_CELL / max(height, width))
    cell_w, cell_h = max(1, round(width * scale)), max(1, round(height * scale))
    step_w, step_h = cell_w + GAP, cell_h + LABEL_HEIGHT + GAP
    sheet = np.full((len(rows) * step_h, columns * step_w, 3), _BACKGROUND, np.uint8)
    for r, row in enumerate(rows):
        caption = captions[r] if r < len(captions) else {}
        for c, (label, picture) in enumerate(row.items()):
            if picture.shape[:2] != (cell_h, cell_w):
                picture = cv2.resize(picture, (cell_w, cell_h), interpolation=cv2.INTER_AREA)
            x, y = c * step_w, r * step_h
            sheet[y + LABEL_HEIGHT : y + LABEL_HEIGHT + cell_h, x : x + cell_w] = picture
            _write(sheet[y : y + LABEL_HEIGHT, x : x + cell_w], f"{label} {caption.get(label, '')}")
    return sheet


def evenly(rows: Sequence, most: int) -> list[int]:
    """Indices of at most `most` of `rows`, spread evenly, first and last included."""
    if len(rows) <= most:
        return list(range(len(rows)))
    return [round(i * (len(rows) - 1) / max(1, most - 1)) for i in range(most)]


def png_bytes(picture: np.ndarray) -> bytes:
    """`picture` (H, W, 3) uint8 RGB as a PNG file."""
    ok, data = cv2.imencode(".png", picture[..., ::-1])
    if not ok:
        raise RuntimeError("OpenCV could not encode a PNG")
    return data.tobytes()


def _write(area: np.ndarray, text: str) -> None:
    patch = np.ascontiguousarray(area)
    cv2.putText(patch, text, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.38, _INK, 1, cv2.LINE_AA)
    area[:] = patch
