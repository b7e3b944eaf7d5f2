# SPDX-License-Identifier: GPL-3.0-or-later
"""What a world remembers of a view, what is asked for and what comes back.

Colour: (H, W, 3) float16 scene-linear, row 0 on top; (H, W, 3) uint8 sRGB for photos. Depth:
(H, W) float32 z-depth in metres, +inf = sky (a direction, no point), 0 = unknown.
"""

from __future__ import annotations

import json
from copy import copy
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from .camera import Camera
from .color import LINEAR, as_halves, bytes_of_halves, halves_of_bytes
from .errors import InputError
from .moment import Moment
from .motion import Move
from .tree_codec import derived_from

SKY = np.float32(np.inf)
UNKNOWN = np.float32(0.0)

PASSES = {"Confidence": 1, "Memory": 1, "Lit": 3, "Base Colour": 3, "Normal": 3}
"""Name of each pass that a reply may bring, and its channels.

Confidence: 1 = memory saw it, 0 = lit or invented. Memory: number of the memory frame, from 1,
0 = none. Lit: what light alone gives. Base Colour: without light. Normal: world space.
"""


MODES = ("full", "lit", "anchors")


@dataclass(frozen=True, eq=False)
class MemoryFrame:
    """A posed picture of the world.

    Its colours are one of two: radiance, (H, W, 3) float16 scene-linear, of renders; or rgb,
    (H, W, 3) uint8 sRGB, of photos and captures. Where radiance is given rgb follows from it.
    depth: (H, W) float32 or None where nothing is known of it. moment: the scene as it was seen;
    None counts as what it is now. estimated: its depth was told from this one picture (a photo, a
    panorama), not measured.
    id: unique in its world and stable over save and load (a content hash will do).
    """

    id: str
    name: str
    camera: Camera
    rgb: np.ndarray = field(default=None, metadata=derived_from("radiance"))  # type: ignore[arg-type, assignment]
    depth: np.ndarray | None = None
    enabled: bool = True
    radiance: np.ndarray | None = None
    moment: Moment | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        given = self.rgb if self.radiance is None else self.radiance
        if given is None:
            raise InputError(f"The memory frame '{self.name}' has no picture; capture it again.")
        dtype = np.uint8 if self.radiance is None else np.float16
        if given.dtype != dtype or given.shape != (*size, 3):
            raise InputError(
                f"The picture of memory frame '{self.name}' is {given.shape}, but its camera is "
                f"{size[1]} x {size[0]} pixels; resize one to the other."
            )
        if self.radiance is not None:
            if not np.isfinite(self.radiance).all():
                raise InputError(
                    f"The picture of memory frame '{self.name}' has colours that are not finite; "
                    "capture it again."
                )
            object.__setattr__(self, "rgb", bytes_of_halves(self.radiance))
        if self.depth is not None:
            if self.depth.shape != size:
                raise InputError(
                    f"The depth of memory frame '{self.name}' is {self.depth.shape}, but its "
                    f"picture is {size}; render both at one resolution."
                )
            object.__setattr__(self, "depth", np.ascontiguousarray(self.depth, np.float32))

    def seen_at(self, moment: Moment | None) -> MemoryFrame:
        """The same frame with another moment; its arrays are shared."""
        made = copy(self)
        object.__setattr__(made, "moment", moment)
        return made

    @property
    def picture(self) -> np.ndarray:
        """Its colours as they are kept: (H, W, 3) float16 scene-linear, or uint8 sRGB."""
        return self.rgb if self.radiance is None else self.radiance

    def linear(self) -> np.ndarray:
        """(H, W, 3) float32 scene-linear colours; those of a photo end at 1."""
        return LINEAR[self.rgb] if self.radiance is None else self.radiance.astype(np.float32)


_ALWAYS_WRITTEN = ("seed", "steps", "references")
_RANGES = {
    "steps": ("The sampler's steps", 1, 1000),
    "seed": ("The seed", 0, 2**32 - 1),
    "references": ("The memory frames to look at", 0, 1000),
    "aperture": ("The lens's radius in metres", 0, 1000),
    "focus": ("The metres to what is sharp", 1e-6, 1e9),
}


@dataclass(frozen=True, eq=False)
class FrameRequest:
    """One camera of one world. Everything that decides the picture is in here.

    steps: sampler steps (1 or 2). seed: noise of what is invented; same request, same bytes.
    references: most memory frames the model may look at. mode: of a scene's surfaces, "full",
    "lit" (with memory and no network) or "anchors" (without memory as well). draft: bounced light
    that is still being made will do; `Refined` tells when there is better. glance: of surfaces, one
    look at each pixel will do, for a view that moves. aperture: radius of the lens in metres, 0 =
    all is sharp; focus: metres to what is sharp else. opened, closed: the camera when its shutter
    opens and closes, None = it stands still. moves: what else moves meanwhile.
    """

    camera: Camera
    steps: int = 1
    seed: int = 0
    references: int = 4
    mode: str = "full"
    draft: bool = False
    glance: bool = False
    aperture: float = 0.0
    focus: float = 1.0
    opened: Camera | None = None
    closed: Camera | None = None
    moves: tuple[Move, ...] = ()

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"'{self.mode}' is no kind of frame; use one of {', '.join(MODES)}.")
        for name, (what, least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise InputError(f"{what} must be a number from {least} to {most}, not {value}.")

    @property
    def blurs(self) -> bool:
        """Whether a lens or a shutter may blur it, so that it is no memory of what is there."""
        return self.aperture > 0 or self.opened is not None or len(self.moves) > 0

    def metadata(self, model: str, model_hash: str, world_revision: int) -> dict[str, str]:
        """What is written beside a frame to make it again, but for camera, world and its moves.

        Of the rarer settings only those that are not as they mostly are.
        """
        known = {"camera", "moves", *_ALWAYS_WRITTEN}
        rare = {
            f.name: _written(getattr(self, f.name))
            for f in fields(self)
            if f.name not in known and getattr(self, f.name) != f.default
        }
        return {
            "model": model,
            "model_hash": model_hash,
            "world_revision": str(world_revision),
            **{name: _written(getattr(self, name)) for name in _ALWAYS_WRITTEN},
            **rare,
        }


def _written(value: object) -> str:
    return json.dumps(value.to_json()) if isinstance(value, Camera) else str(value)


@dataclass(frozen=True, eq=False)
class FrameReply:
    """One generated frame and all that is needed to make it again.

    color: (H, W, 3) float16 scene-linear, not clipped; times alpha where there is one. alpha:
    (H, W) float16 in [0, 1], None where all is covered. depth: (H, W) float32. coverage: (H, W)
    float32 in [0, 1], how well anchors or memory saw the pixel. anchor_rgb: (H, W, 3) uint8.
    timings: stage name -> milliseconds. passes: (H, W) or (H, W, 3) float16 or float32 by name,
    of those in PASSES. draft: its bounced light is still being made.
    """

    color: np.ndarray
    depth: np.ndarray
    coverage: np.ndarray
    anchor_rgb: np.ndarray
    request: FrameRequest
    world_revision: int
    model_name: str
    model_hash: str
    timings: dict[str, float] = field(default_factory=dict)
    alpha: np.ndarray | None = None
    passes: dict[str, np.ndarray] = field(default_factory=dict)
    draft: bool = False

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8 sRGB, clipped, of what covers the pixel (alpha taken out)."""
        if self.alpha is None:
            return bytes_of_halves(self.color)
        cover = np.maximum(self.alpha.astype(np.float32), 1e-4)[..., None]
        return bytes_of_halves(as_halves(self.color.astype(np.float32) / cover))

    @property
    def picture(self) -> np.ndarray:
        """Its colours as a memory frame keeps them: (H, W, 3) uint8 sRGB where that is all of
        them, as after a model of 8 bits, else float16 scene-linear."""
        plain = self.alpha is None and np.array_equal(halves_of_bytes(self.rgb), self.color)
        return self.rgb if plain else self.color
