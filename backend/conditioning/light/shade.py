# SPDX-License-Identifier: GPL-3.0-or-later
"""What a surface looks like in a scene's light."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Event

import numpy as np

from ...shared.scene import CAMERA, DIFFUSE, GLOSSY, SHADOW, Scene
from ..anchors.forest import Forest
from ..anchors.geometry import Geometry
from ..anchors.surface import Matter, Surface
from ..anchors.tracing import Hits, Rays, visible_triangles
from . import direct
from .cache import WHOLE, Bounced, Quality
from .colors import brightest, mean
from .emitters import emitter_lights
from .ggx import albedo
from .lamps import FAR, MOST_LIGHTS, Lights, light_of, sky_light
from .medium import Medium
from .patterns import fibonacci_points, frames_of, hemisphere_points
from .sky import Sky
from .veils import unveiled

_SKY_RAYS = 32
_WIDE = 0.05
"""Radius of a lamp, as part of the distance to what is about it (of a metre at most; of what is
far in radians), from which neighbours share its shadows: up to there they count as sharp."""
_ABOUT, _NEAR_PART = 32, 0.25
"""Ways that a lamp looks about itself, and the part of them that meet what is near."""
DULL_FROM = 0.35
"""Roughness up to which a reflection counts as the viewer's own; at twice that as everyone's."""


@dataclass(eq=False)
class Lighting:
    """A scene's light: whatever does not depend on a camera.

    seen, reflected, gathered: what cameras, reflections and bounced light meet. between: what
    stops light on its way from lamps; veils: what lets some of it through.
    """

    geometry: Geometry
    matter: Matter
    seen: Rays
    between: Rays
    veils: Rays | None
    reflected: Rays
    gathered: Rays
    lights: Lights
    apart: Lights
    sky: Sky
    bounced: Bounced
    quality: Quality
    sampled: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """(M,) bool of the materials whose light is among `lights`."""

    @property
    def medium(self) -> Medium | None:
        """The scene's fog."""
        return self.lights.medium

    def unshadowed(self, surface: Surface) -> np.ndarray:
        """(N, 3) irradiance / pi from lamps and sky if nothing stood in between."""
        receiver = direct.Receiver.of(surface, diffuse_only=True)
        total = np.zeros((len(surface), 3), np.float32)
        for i in range(len(self.lights)):
            total += direct.receive(receiver, self.lights, i).diffuse
        tangent, bitangent = frames_of(surface.lobes.normal)
        for x, y, z in hemisphere_points(_SKY_RAYS).astype(np.float32):
            ways = x * tangent + y * bitangent + z * surface.lobes.normal
            total += self.sky.gathered(ways) / _SKY_RAYS
        return total

    def unveiled(
        self, surface: Surface, index: int, first: np.ndarray, wanted: np.ndarray
    ) -> np.ndarray:
        """(N, 3), see `veils.unveiled`. first: (N,) int32. wanted: (N,) bool."""
        return unveiled(self.veils, self.matter, self.lights, surface, index, first, wanted)

    @classmethod
    def of(
        cls,
        scene: Scene,
        matter: Matter,
        quality: Quality = WHOLE,
        forest: Forest | None = None,
        before: Bounced | None = None,
    ) -> Lighting:
        """Trees of rays, lamps and bounced light of a scene.

        forest: has trees of what did not change since it was asked last. before: bounced light of
        a scene much like this one, which stands in for its own.
        """
        geometry = matter.geometry
        forest = Forest() if forest is None else forest
        forest.see(geometry)

        def rays(kind: int, kept: np.ndarray | None = None) -> Rays:
            return forest.rays(visible_triangles(geometry, kind) if kept is None else kept)

        clear = matter.clear()
        between = rays(SHADOW, None if clear is None else without(geometry, SHADOW, clear))
        veils = None if clear is None else rays(SHADOW, _within(geometry, SHADOW, clear))
        sky = Sky.of(scene.background)
        near, apart, sampled = _lights(scene, matter, sky)
        near = replace(near, wide=_wide(near, between))
        gathered = rays(DIFFUSE)
        if before is None:
            viewpoints = list(scene.viewpoints)
            bounced = Bounced(
                matter, gathered, between, veils, near, apart, sky, viewpoints, quality, sampled
            )
        else:
            bounced = before.standing_in(matter, gathered, sky, sampled)
        seen, reflected = rays(CAMERA), rays(GLOSSY)
        forest.tidy()
        return cls(
            geometry, matter, seen, between, veils, reflected, gathered, near, apart, sky, bounced,
            quality, sampled,
        )  # fmt: skip

    def glow(self, hits: Hits, ways: np.ndarray) -> np.ndarray:
        """(N, 3) radiance that surfaces that rays met send out by themselves.

        ways: (N, 3) of the rays.
        """
        spread = np.full(len(ways), 1e-2, np.float32)
        return self.matter.surface(hits, ways, spread, is_camera=False).lobes.emission

    def refined(self, quality: Quality, stop: Event) -> Lighting:
        """The same with bounced light of this quality. Raises Stopped once `stop` is set."""
        gathered, between = self.gathered.until(stop), self.between.until(stop)
        viewpoints = list(self.geometry.scene.viewpoints)
        bounced = Bounced(
            self.matter, gathered, between, self.veils, self.lights, self.apart, self.sky,
            viewpoints, quality, self.sampled,
        )  # fmt: skip
        bounced.rays = self.gathered  # pictures ask them too, when `stop` is long about other work
        return replace(self, bounced=bounced, quality=quality)


def without(geometry: Geometry, kind: int, left_out: np.ndarray) -> np.ndarray:
    """(K,) int32 triangles that rays of a kind meet, but for some (L,)."""
    kept = visible_triangles(geometry, kind)
    kept = np.arange(len(geometry)) if kept is None else kept
    return np.setdiff1d(kept, left_out, assume_unique=True).astype(np.int32)


def _within(geometry: Geometry, kind: int, wanted: np.ndarray) -> np.ndarray:
    kept = visible_triangles(geometry, kind)
    return wanted if kept is None else np.intersect1d(kept, wanted).astype(np.int32)


def _lights(scene: Scene, matter: Matter, sky: Sky) -> tuple[Lights, Lights, np.ndarray]:
    """Lights that every point asks, those that only the cache does, and which materials are in
    the first."""
    found = [light for lamp in scene.lamps if (light := light_of(lamp)) is not None]
    found += [sky_light(sun) for sun in sky.suns]
    emitters, sampled = emitter_lights(matter, MOST_LIGHTS - len(found))
    found += emitters
    # the brightest first, ties in the order of the scene
    strength = [-float(light.power.sum()) for light in found]
    order = np.argsort(strength, kind="stable")
    near = [found[i] for i in sorted(order[:MOST_LIGHTS])]
    apart = [found[i] for i in sorted(order[MOST_LIGHTS:])]
    medium = Medium.of(scene)
    return Lights.of(near, medium), Lights.of(apart, medium), sampled


def _wide(lights: Lights, between: Rays) -> np.ndarray:
    """(L,) bool, see `Lights.wide`: a lamp of three centimetres is a small one in a room and a
    large one in a bowl."""
    ways = fibonacci_points(_ABOUT).astype(np.float32)
    rims = lights.middle[:, None] + lights.radius[:, None, None] * ways
    everywhere = np.tile(ways, (len(lights), 1))
    distance = between.first(rims.reshape(-1, 3).astype(np.float32), everywhere).distance
    distance = np.where(np.isfinite(distance), distance, 1).reshape(len(lights), _ABOUT)
    away = np.minimum(np.quantile(distance, _NEAR_PART, axis=1) + lights.radius, 1)
    return lights.soft & (lights.radius > _WIDE * np.where(lights.kind == FAR, 1, away))


@dataclass(frozen=True, eq=False)
class Shares:
    """How a surface divides light, seen from where it is seen: (N, 3) each.

    diffuse: albedo that is left under what reflects. specular, coat: what reflects of light that
    comes from all around.
    """

    diffuse: np.ndarray
    specular: np.ndarray
    coat: np.ndarray

    def take(self, index: np.ndarray) -> Shares:
        """Of the points of numbers `index` (M,)."""
        return Shares(self.diffuse[index], self.specular[index], self.coat[index])


def shares(surface: Surface) -> Shares:
    """Of every point."""
    lobes = surface.lobes
    cosine = surface.cosine()
    specular = albedo(lobes.specular, lobes.edge, lobes.roughness, cosine)
    under = 1 - (lobes.layered * brightest(specular))[:, None]
    coat = np.zeros_like(specular)
    if (lobes.coat > 0).any():
        four = np.full((len(surface), 3), 0.04, np.float32)
        coat = lobes.coat[:, None] * albedo(four, np.ones_like(four), lobes.coat_roughness, cosine)
        specular = specular * (1 - coat)
        under = under * (1 - coat)
    return Shares(lobes.diffuse * under, specular, coat)


@dataclass(eq=False)
class Light:
    """What falls on N points, (N, 3) float32 each.

    direct, bounced: irradiance / pi. behind: all of that of the other side. glints: radiance that
    lobes reflect straight from lamps. mirrored, coated: mean radiance in the lobes' way.
    """

    direct: np.ndarray
    bounced: np.ndarray
    behind: np.ndarray
    glints: np.ndarray
    mirrored: np.ndarray
    coated: np.ndarray

    def packed(self) -> np.ndarray:
        """(N, 18) all parts side by side."""
        return np.concatenate([getattr(self, name) for name in self.__dataclass_fields__], axis=1)

    @classmethod
    def unpacked(cls, packed: np.ndarray) -> Light:
        """From what `packed` made, (N, 18)."""
        return cls(*(packed[:, i : i + 3].copy() for i in range(0, packed.shape[1], 3)))

    def plus(self, other: Light) -> Light:
        """The light of both."""
        names = self.__dataclass_fields__
        return Light(*(getattr(self, name) + getattr(other, name) for name in names))

    def add_at(self, index: np.ndarray, other: Light) -> None:
        """Add the light of M points to those of numbers `index` (M,)."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[index] += getattr(other, name)


def outgoing(surface: Surface, share: Shares, light: Light) -> np.ndarray:
    """(N, 3) radiance towards the viewer."""
    lobes = surface.lobes
    return (
        share.diffuse * (light.direct + light.bounced)
        + lobes.translucent * light.behind
        + light.glints
        + share.specular * light.mirrored
        + share.coat * light.coated
        + lobes.emission
    )


def matte(surface: Surface, share: Shares, light: Light) -> np.ndarray:
    """(N,) the part of what a viewer gets that looks about the same from everywhere."""
    lobes = surface.lobes
    steady = mean(
        share.diffuse * (light.direct + light.bounced)
        + lobes.translucent * light.behind
        + lobes.emission
    )
    shiny = mean(light.glints + share.specular * light.mirrored)
    dull = np.clip((lobes.roughness - DULL_FROM) / DULL_FROM, 0, 1)
    coated = mean(share.coat * light.coated)
    part = (steady + dull * shiny) / np.maximum(steady + shiny + coated, 1e-9)
    return part * np.clip(1 - mean(passes_on(surface, share)), 0, 1)


def passes_on(surface: Surface, share: Shares) -> np.ndarray:
    """(N, 3) what goes through a surface, straight or bent."""
    lobes = surface.lobes
    left = 1 - (lobes.layered * np.maximum(brightest(share.specular), 0))[:, None]
    return lobes.transparent + lobes.transmission * left


def arriving(
    lighting: Lighting, surface: Surface, index: int, tile: np.ndarray, rays: int
) -> np.ndarray:
    """(N, 3) part of a light that gets to points, each by itself. tile: (N,) int32."""
    lights = lighting.lights
    if not lights.shadow[index]:
        return np.ones((len(surface), 3), np.float32)
    count = rays if lights.soft[index] else 1
    arrives, point = direct.arrival(surface, lighting.between, lights, index, tile, count)
    return arrives[:, None] * lighting.unveiled(surface, index, point, arrives > 0)
