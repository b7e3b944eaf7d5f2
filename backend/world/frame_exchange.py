# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame to keep and what came of it as .npz files, for hosts that hold the world themselves.

In: rgb (H, W, 3) uint8, known (H, W) float32, camera (JSON text); memory frames' depths as depth0,
depth1, ... with camera0, camera1, ... Out: depth (H, W), xyz, rgb, radius of the new points.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..shared.arrays import read_npz
from ..shared.camera import Camera
from ..shared.errors import InputError
from ..shared.files import replacing
from ..shared.frame import MemoryFrame
from ..shared.reading import as_sentence, parse_json
from .grow import Growth


def read_frame_to_keep(
    path: Path,
) -> tuple[list[MemoryFrame], np.ndarray, np.ndarray, Camera]:
    """Memory (depths and cameras only), (H, W, 3) uint8 rgb, (H, W) known depth and camera.

    Raises InputError.
    """
    with as_sentence(
        lambda why: InputError(f"'{path.name}' does not hold a frame to keep ({why}).")
    ):
        data = read_npz(path)
        memory = []
        for i in range(sum(name.startswith("depth") for name in data)):
            camera = Camera.from_json(parse_json(str(data[f"camera{i}"])))
            black = np.zeros((camera.height, camera.width, 3), np.uint8)
            memory.append(MemoryFrame(str(i), str(i), camera, black, data[f"depth{i}"]))
        camera = Camera.from_json(parse_json(str(data["camera"])))
        return memory, data["rgb"], data["known"].astype(np.float32), camera


def write_growth(path: Path, grown: Growth) -> None:
    """All of it or nothing. Raises WorldFMError when it cannot be written."""
    with replacing(path) as part, part.open("wb") as file:
        np.savez(
            file,
            depth=np.asarray(grown.frame.depth),
            xyz=grown.anchors.xyz,
            rgb=grown.anchors.rgb,
            radius=grown.anchors.radius,
        )
