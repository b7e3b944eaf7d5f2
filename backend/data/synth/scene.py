# SPDX-License-Identifier: GPL-3.0-or-later
"""What a procedural scene is made of, and the builder that the kinds of scene fill.

A primitive is a shape in the unit cube placed by a rotation, a centre and half extents (metres).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .textures import TextureSet

BOX, ELLIPSOID, CYLINDER = 0, 1, 2
METRIC, FIT = 0, 1


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    texture: index into the scene's textures. repeat: metres that one tile of it covers.
    mapping: METRIC (tiles in metres) or FIT (once over each face). tint: linear factor.
    gloss: strength of the highlight in [0, 1]; shine: its exponent. emission: added radiance.
    """

    texture: int
    repeat: float = 2.0
    mapping: int = METRIC
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.0
    shine: float = 30.0
    emission: float = 0.0
    bump: float = 1.0


@dataclass(frozen=True)
class Lamp:
    """A spherical light, or a window when `facing` says which way it shines.

    position: (3,). color: linear radiant intensity (3,). radius: metres, softens the shadows.
    """

    position: tuple[float, float, float]
    color: tuple[float, float, float]
    radius: float = 0.1
    facing: tuple[float, float, float] | None = None

    def falloff(
        self, point: torch.Tensor, normal: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Unshadowed light (N,) at points with normals (N, 3), and its colour (3,)."""
        to = torch.tensor(self.position, dtype=torch.float32, device=point.device) - point
        square = (to * to).sum(1)
        amount = (to * normal).sum(1).clamp_min(0) / (square.sqrt() * (square + self.radius**2))
        if self.facing is not None:
            out = -torch.tensor(self.facing, dtype=torch.float32, device=point.device)
            amount = amount * ((to @ out) / square.sqrt()).clamp_min(0)
        return amount, torch.tensor(self.color, dtype=torch.float32, device=point.device)


@dataclass(frozen=True)
class Sky:
    """Sun and sky. Colours are linear; directions point towards the sun."""

    sun: tuple[float, float, float]
    sun_color: tuple[float, float, float]
    sun_radius: float  # radians
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    ground: tuple[float, float, float]
    clouds: float = 0.5  # coverage in [0, 1]
    cloud_seed: int = 0


@dataclass(eq=False)
class Terrain:
    """A height field over the square [-extent, extent]^2, bilinear between its samples.

    height: (N, N) float32 metres, row = y, column = x. slope: its largest gradient.
    materials: flat ground, steep ground, high ground (indices into the scene's materials).
    """

    height: np.ndarray
    extent: float
    slope: float
    materials: tuple[int, int, int]
    snow_line: float

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Heights at (x, y), clamped to the border."""
        n = self.height.shape[0]
        u = np.clip((np.asarray(x) / self.extent * 0.5 + 0.5) * (n - 1), 0, n - 1.001)
        v = np.clip((np.asarray(y) / self.extent * 0.5 + 0.5) * (n - 1), 0, n - 1.001)
        i, j = v.astype(int), u.astype(int)
        a, b = v - i, u - j
        h = self.height
        return (h[i, j] * (1 - b) + h[i, j + 1] * b) * (1 - a) + (
            h[i + 1, j] * (1 - b) + h[i + 1, j + 1] * b
        ) * a


@dataclass(eq=False)
class Scene:
    """Everything `render_view` and `fly_path` need; deterministic in (kind, seed).

    rotation: (P, 3, 3) columns are the local axes in the world. center, half: (P, 3).
    taper: (P,) radius of a cylinder's top relative to its bottom, at most 1. room: (2, 3) box that
    cameras keep to. focus: (F, 3) points worth looking at. near: metres a camera stays away.
    """

    kind: str
    seed: int
    rotation: np.ndarray
    center: np.ndarray
    half: np.ndarray
    shape: np.ndarray
    taper: np.ndarray
    material: np.ndarray
    offset: np.ndarray
    materials: list[Material]
    textures: TextureSet
    lamps: list[Lamp]
    sky: Sky
    ambient: float
    fog: float
    fog_color: tuple[float, float, float]
    room: np.ndarray
    focus: np.ndarray
    near: float
    terrain: Terrain | None = None
    exposure: float = 1.0
    cache: dict[str, Any] = field(default_factory=dict, repr=False)


class Builder:
    """Collects primitives, materials and lights, then becomes a Scene.

    photos: (H, W, 3) uint8 each, that some textures are taken from.
    """

    def __init__(
        self,
        kind: str,
        seed: int,
        rng: np.random.Generator,
        photos: Sequence[np.ndarray] = (),
    ) -> None:
        self.kind, self.seed, self.rng = kind, seed, rng
        self.textures = TextureSet(rng, photos)
        self.materials: list[Material] = []
        self.lamps: list[Lamp] = []
        self.focus: list[tuple[float, float, float]] = []
        self.terrain: Terrain | None = None
        self.fog, self.fog_color = 0.0, (0.5, 0.5, 0.5)
        self.ambient, self.near = 1.0, 0.35
        self.room = np.array([[-1.0, -1, 0], [1, 1, 1]])
        self.sky = random_sky(rng)
        self._parts: list[tuple[Any, ...]] = []

    def surface(self, family: str, **look: Any) -> int:
        """Adds a material with a new texture of `family`; returns its index."""
        self.materials.append(Material(self.textures.add(family), **look))
        return len(self.materials) - 1

    def variant(self, material: int, **look: Any) -> int:
        """Adds a copy of a material with some fields changed; returns its index."""
        self.materials.append(Material(**{**self.materials[material].__dict__, **look}))
        return len(self.materials) - 1

    def put(
        self,
        shape: int,
        center: Any,
        half: Any,
        material: int,
        yaw: float = 0.0,
        tilt: float = 0.0,
        roll: float = 0.0,
        taper: float = 1.0,
    ) -> None:
        """Places one primitive; angles in radians about z, then its own x and y."""
        rotation = _rotation(yaw, tilt, roll)
        half = np.maximum(np.asarray(half, float), 1e-3)
        if taper > 1:  # the wide end down, so that the unit cube holds the shape
            rotation, half = rotation @ np.diag([1.0, -1.0, -1.0]), half * [taper, taper, 1]
            taper = 1 / taper
        self._parts.append((rotation, np.asarray(center, float), half, shape, taper, material))

    def box(self, center: Any, half: Any, material: int, **turn: float) -> None:
        self.put(BOX, center, half, material, **turn)

    def ball(self, center: Any, half: Any, material: int, **turn: float) -> None:
        half = (half, half, half) if np.isscalar(half) else half
        self.put(ELLIPSOID, center, half, material, **turn)

    def tube(
        self, center: Any, radius: float, half_height: float, material: int, **turn: float
    ) -> None:
        self.put(CYLINDER, center, (radius, radius, half_height), material, **turn)

    def span(self, low: Any, high: Any, material: int) -> None:
        """An axis-aligned box from corner to corner."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        self.box((low + high) / 2, (high - low) / 2, material)

    def group(self, start: int, origin: Any, yaw: float) -> None:
        """Turns the parts added since index `start` about z and moves them to `origin`."""
        turn = _rotation(yaw, 0, 0)
        for i in range(start, len(self._parts)):
            rotation, center, *rest = self._parts[i]
            self._parts[i] = (turn @ rotation, turn @ center + np.asarray(origin, float), *rest)

    @property
    def count(self) -> int:
        return len(self._parts)

    def scene(self) -> Scene:
        rotation, center, half, shape, taper, material = map(
            np.array, zip(*self._parts, strict=True)
        )
        offset = self.rng.random((len(center), 2))
        return Scene(
            self.kind, self.seed, rotation, center, half, shape, taper.astype(float), material,
            offset, self.materials, self.textures, self.lamps, self.sky, self.ambient, self.fog,
            self.fog_color, np.asarray(self.room, float),
            np.asarray(self.focus or [self.room.mean(0)], float), self.near, self.terrain,
        )  # fmt: skip


def random_sky(rng: np.random.Generator) -> Sky:
    """A plausible sky: noon, afternoon, golden hour, overcast or dusk."""
    mood = rng.choice(
        ["noon", "afternoon", "golden", "overcast", "dusk"], p=[0.3, 0.3, 0.2, 0.15, 0.05]
    )
    elevation = {
        "noon": (45, 75),
        "afternoon": (25, 50),
        "golden": (8, 20),
        "overcast": (30, 70),
        "dusk": (4, 9),
    }
    angle = np.radians(rng.uniform(*elevation[mood]))
    azimuth = rng.uniform(0, 2 * np.pi)
    sun = (
        float(np.cos(angle) * np.cos(azimuth)),
        float(np.cos(angle) * np.sin(azimuth)),
        float(np.sin(angle)),
    )
    warm = {
        "noon": (1, 0.96, 0.9),
        "afternoon": (1, 0.9, 0.76),
        "golden": (1, 0.7, 0.42),
        "overcast": (1, 1, 1),
        "dusk": (1, 0.5, 0.3),
    }
    power = {"noon": 3.2, "afternoon": 3.0, "golden": 2.4, "overcast": 0.35, "dusk": 1.0}[mood]
    zenith = {
        "noon": (0.12, 0.28, 0.7),
        "afternoon": (0.14, 0.28, 0.62),
        "golden": (0.16, 0.24, 0.48),
        "overcast": (0.55, 0.58, 0.62),
        "dusk": (0.08, 0.1, 0.25),
    }
    horizon = {
        "noon": (0.6, 0.75, 0.95),
        "afternoon": (0.7, 0.76, 0.85),
        "golden": (1.0, 0.72, 0.45),
        "overcast": (0.75, 0.77, 0.8),
        "dusk": (0.7, 0.4, 0.3),
    }
    shake = rng.uniform(0.85, 1.15, (2, 3))
    return Sky(
        sun,
        tuple(power * np.array(warm[mood])),
        float(rng.uniform(0.008, 0.05)),
        tuple(np.array(zenith[mood]) * shake[0]),
        tuple(np.array(horizon[mood]) * shake[1]),
        tuple(rng.uniform(0.1, 0.3, 3)),
        float(rng.uniform(0.0, 0.9)),
        int(rng.integers(1 << 30)),
    )


def _rotation(yaw: float, tilt: float, roll: float) -> np.ndarray:
    cz, sz, cx, sx, cy, sy = (f(a) for a in (yaw, tilt, roll) for f in (np.cos, np.sin))
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1.0]])
    about_x = np.array([[1.0, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1.0, 0], [-sy, 0, cy]])
    return about_z @ about_x @ about_y
