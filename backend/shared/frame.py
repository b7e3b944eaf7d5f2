# SPDX-License-Identifier: GPL-3.0-or-later
"""What a world remembers of a view, what is asked for and what comes back.

Frame: (H, W, 3) uint8 sRGB, row 0 on top. Depth: (H, W) float32 z-depth in metres,
+inf = sky (a direction, no point), 0 = unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .camera import Camera
from .errors import InputError

SKY = np.float32(np.inf)
UNKNOWN = np.float32(0.0)


@dataclass(frozen=True, eq=False)
class MemoryFrame:
    """A posed picture of the world.

    rgb: (H, W, 3) uint8. depth: (H, W) float32 or None where nothing is known of it.
    id: unique in its world and stable over save and load (a content hash will do).
    """

    id: str
    name: str
    camera: Camera
    rgb: np.ndarray
    depth: np.ndarray | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        if self.rgb.dtype != np.uint8 or self.rgb.shape != (*size, 3):
            raise InputError(
                f"The picture of memory frame '{self.name}' is {self.rgb.shape}, but its camera is "
                f"{size[1]} x {size[0]} pixels; resize one to the other."
            )
        if self.depth is not None:
            if self.depth.shape != size:
                raise InputError(
                    f"The depth of memory frame '{self.name}' is {self.depth.shape}, but its "
                    f"picture is {size}; render both at one resolution."
                )
            object.__setattr__(self, "depth", np.ascontiguousarray(self.depth, np.float32))


@dataclass(frozen=True, eq=False)
class FrameRequest:
    """One camera of one world. Everything that decides the picture is in here.

    steps: sampler steps (1 or 2). seed: noise of what is invented; same request, same bytes
    (on one machine with one number of threads).
    references: most memory frames the model may look at.
    """

    camera: Camera
    steps: int = 1
    seed: int = 0
    references: int = 4


@dataclass(frozen=True, eq=False)
class FrameReply:
    """One generated frame and all that is needed to make it again.

    rgb, anchor_rgb: (H, W, 3) uint8. depth: (H, W) float32. coverage: (H, W) float32 in [0, 1],
    how well anchors or memory saw the pixel. timings: stage name -> milliseconds.
    """

    rgb: np.ndarray
    depth: np.ndarray
    coverage: np.ndarray
    anchor_rgb: np.ndarray
    request: FrameRequest
    world_revision: int
    model_name: str
    model_hash: str
    timings: dict[str, float] = field(default_factory=dict)


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to linear light, float32 (IEC 61966-2-1)."""
    x = np.asarray(srgb, np.float32)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light, clipped to [0, 1], to sRGB, float32 (IEC 61966-2-1)."""
    x = np.clip(np.asarray(linear, np.float32), 0.0, 1.0)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)
