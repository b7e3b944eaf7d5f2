# SPDX-License-Identifier: GPL-3.0-or-later
"""The geometric part of `backend.conformance`: what is rendered, lifted, chosen and prepared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .conformance_cases import Case, byte_case, read_arrays, relative_error
from .models.preprocess import fit_picture, fit_render

PREPROCESS_TOLERANCE = 1e-6


def preprocess(path: Path) -> Iterator[Case]:
    """Both ways in which pictures are made to fit the model, and the plain resize."""
    arrays = read_arrays(path)
    for group in sorted({key.split("/")[0] for key in arrays if key.endswith("/target_hw")}):
        rgb, size = arrays[f"{group}/u8"], [int(side) for side in arrays[f"{group}/target_hw"]]
        render = fit_render(torch.from_numpy(rgb), *size)[0]
        picture = fit_picture(rgb, *size).transpose(2, 0, 1) / 127.5 - 1.0
        for name, ours in (("tensor", render), ("pil_tensor", picture)):
            if f"{group}/{name}" in arrays:
                error = relative_error(ours, arrays[f"{group}/{name}"])
                yield Case("geometry/preprocess", f"{group}/{name}", error, PREPROCESS_TOLERANCE)
    if "bilinear_resize/in_u8" in arrays:
        reference = arrays["bilinear_resize/out_u8"]
        size = reference.shape[1], reference.shape[0]
        image = Image.fromarray(arrays["bilinear_resize/in_u8"])
        ours = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
        yield byte_case("geometry/preprocess", "bilinear_resize", ours, reference, allowed=0)


GEOMETRY = {"preprocess": preprocess}
"""Part -> what runs it from its file."""
