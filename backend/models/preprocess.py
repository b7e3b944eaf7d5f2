# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures made to fit a size: scaled until they cover it, then cut around the middle."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from .autoencoder import from_bytes


def fit_render(rgb: Tensor, height: int, width: int) -> Tensor:
    """An anchor render, uint8 (h, w, 3), as float32 (1, 3, height, width) in about [-1, 1].

    Bicubic (a = -0.75) without antialiasing, so points stay points; values may overshoot.
    """
    image = from_bytes(rgb[None])
    new_h, new_w = _covering(image.shape[2], image.shape[3], height, width)
    if (new_h, new_w) != tuple(image.shape[2:]):
        image = interpolate(image, (new_h, new_w), mode="bicubic", align_corners=False)
    top, left = (new_h - height) // 2, (new_w - width) // 2
    return image[:, :, top : top + height, left : left + width]


def fit_picture(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """A memory frame, uint8 (h, w, 3), as uint8 (height, width, 3): antialiased bicubic."""
    new_h, new_w = _covering(rgb.shape[0], rgb.shape[1], height, width)
    if (new_h, new_w) != rgb.shape[:2]:
        rgb = np.asarray(Image.fromarray(rgb).resize((new_w, new_h), Image.Resampling.BICUBIC))
    top, left = round((new_h - height) / 2), round((new_w - width) / 2)
    return rgb[top : top + height, left : left + width]


def _covering(h: int, w: int, height: int, width: int) -> tuple[int, int]:
    scale = max(height / h, width / w)
    return round(h * scale), round(w * scale)
