# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender knows of a scene: exact surfaces, their materials, lamps and the background.

The explicit anchors of a world whose scene is Blender's. World space in metres, right-handed,
Z up. Colours and radiances are scene-linear Rec.709, not clipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .camera import Camera
from .content import kept_hash
from .errors import WorldError
from .part_names import MeshNames, ProgramNames

CAMERA, DIFFUSE, GLOSSY, TRANSMISSION, VOLUME, SHADOW = (1 << bit for bit in range(6))
"""Bits of `Instance.visible` and `Lamp.visible`: the kinds of rays that meet it."""
EVERYWHERE = CAMERA | DIFFUSE | GLOSSY | TRANSMISSION | VOLUME | SHADOW

BAKE_LAYER = "WorldFM Bake"
"""The UV layer of baked values. It is in no mesh of the user's: it is read beside them."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in their own space, shared by every instance of them.

    vertices: (V, 3) float32. triangles: (T, 3) int32. slots: (T,) int32 material slot.
    normals: (T, 3, 3) float32 unit normals of the corners, or None: flat.
    uv: layer name -> (T, 3, 2) float32. colors: attribute name -> (T, 3, 4) float32, linear.
    active_uv, active_color: the layers a material means when it names none.
    bounds: (2, 3) float32, what generated texture coordinates count as 0 and 1.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    slots: np.ndarray
    normals: np.ndarray | None = None
    uv: dict[str, np.ndarray] = field(default_factory=dict)
    colors: dict[str, np.ndarray] = field(default_factory=dict)
    active_uv: str = ""
    active_color: str = ""
    bounds: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.triangles)
        corners = [
            a for a in (self.normals, *self.uv.values(), *self.colors.values()) if a is not None
        ]
        if (
            self.vertices.ndim != 2
            or self.triangles.shape != (count, 3)
            or self.slots.shape != (count,)
            or any(len(array) != count for array in corners)
        ):
            raise WorldError("The arrays of a mesh do not agree in the number of triangles.")

    @cached_property
    def names(self) -> MeshNames:
        """What it is, found when first asked for: its arrays are never changed."""
        return MeshNames.of(self, BAKE_LAYER)


@dataclass(frozen=True, eq=False)
class Instance:
    """A mesh where it stands.

    key: names the same instance in every frame and session. object: what all instances of one
    object share. mesh: number in `Scene.meshes`. matrix: (4, 4) float64 own space to world.
    materials: number in `Scene.materials` of each slot, -1 = none. visible: see CAMERA.
    holdout, shadow_catcher: as Blender has them. color: (4,) of the object, linear.
    random: in [0, 1), the object's own number.
    """

    key: str
    object: str
    mesh: int
    matrix: np.ndarray
    materials: tuple[int, ...] = (-1,)
    visible: int = EVERYWHERE
    holdout: bool = False
    shadow_catcher: bool = False
    color: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    random: float = 0.0


@dataclass(frozen=True, eq=False)
class Texture:
    """A picture that materials look up.

    pixels: (H, W, 4) uint8 or float16, row 0 on top, straight alpha. srgb: whether its colours
    are encoded as sRGB (else they are linear, or no colours). has_alpha: whether alpha says more
    than 1 everywhere. tile: for a UDIM set, 1001 and so on, 0 otherwise.
    """

    name: str
    pixels: np.ndarray
    srgb: bool = True
    has_alpha: bool = False
    tile: int = 0

    @cached_property
    def content(self) -> str:
        """Names the pixels, in any session; found when first asked for: they never change."""
        return f"{kept_hash(self.pixels)} {self.srgb} {self.tile}"


@dataclass(frozen=True, eq=False)
class Material:
    """A material as the program that its nodes are; see docs/materials.md.

    program: JSON {"nodes": [{"type", "props", "inputs"}, ...], "surface": link, "volume": link}.
    A node's `type` is Blender's (`node.type`); `inputs` maps each socket's identifier to a value
    (number, list of numbers) or a link {"node": index, "out": socket identifier}. Links point to
    earlier nodes only; groups and reroutes are already dissolved. An image node's props hold
    "texture": number in `Scene.textures` or -1 (missing: shown pink, as Cycles does).
    look: names what it looks like where its program alone does not, "" where that does: a value
    that was baked looks as it did before.
    """

    name: str
    program: str
    look: str = ""

    @cached_property
    def names(self) -> ProgramNames:
        """Of its program, by what the scene's pictures show."""
        return ProgramNames(self.program)


@dataclass(frozen=True, eq=False)
class Lamp:
    """A light source.

    kind: SUN, POINT, SPOT or AREA. matrix: (4, 4) float64, rigid; it shines along its -Z.
    power: (3,) what the formulas below take, colour, exposure and nodes included. radius: metres
    of a POINT or SPOT. angle: radians across a SUN. size: (2,) metres along X and Y of an AREA.
    shape: SQUARE, RECTANGLE, DISK or ELLIPSE. spread: radians. cone, blend: a SPOT's full angle in
    radians and softness of its edge. soft_falloff: whether a POINT or SPOT is a disk that faces
    what it lights (else a sphere). met: whether rays from surfaces find it (Cycles' Multiple
    Importance); one that they don't is in no clear mirror's picture. A diffuse surface sends out
    E x base colour / pi, of E:

    SUN: power x cos n. Its disk has the radiance power / (pi sin(angle / 2)^2).
    POINT: power x cos n / (4 pi (d^2 + r^2)) in front of a disk, power x cos n / (4 pi d^2) of a
    sphere (outside); radiance power / (4 pi^2 r^2). r = radius, d = distance of its centre.
    SPOT: as POINT, times smoothstep((cos a - cos(cone / 2)) / ((1 - cos(cone / 2)) x blend)), a =
    angle from its axis; smoothstep(t) = t^2 (3 - 2 t), t clipped to [0, 1].
    AREA: radiance power / (pi A) on the side of its -Z, A = size x size, x pi / 4 of DISK and
    ELLIPSE; far away E = power x cos n x cos a / (pi d^2). A spread below pi multiplies radiance
    by max(tan h - tan a, 0) / (tan h - h), h = spread / 2, a = angle from its axis.
    """

    key: str
    kind: str
    matrix: np.ndarray
    power: tuple[float, float, float]
    radius: float = 0.0
    angle: float = 0.0
    size: tuple[float, float] = (0.0, 0.0)
    shape: str = "SQUARE"
    spread: float = 3.141592653589793
    cone: float = 0.0
    blend: float = 0.0
    soft_falloff: bool = False
    casts_shadow: bool = True
    visible: int = EVERYWHERE
    met: bool = True


@dataclass(frozen=True, eq=False)
class Background:
    """The world's shader as a picture of directions.

    pixels: (H, W, 3) float32 radiance, equirectangular: a direction (x, y, z) is at
    u = 0.5 - atan2(y, x) / (2 pi) (of the width, to the right), v = acos(z) / pi (of the height,
    downwards). (1, 1, 3) where it is the same in all directions. visible: see CAMERA. identity:
    of the shader that it shows, also while another picture stands in for it; "" = of the pixels.
    """

    pixels: np.ndarray
    visible: int = EVERYWHERE
    identity: str = ""


@dataclass(frozen=True)
class Film:
    """How Cycles turns light into pixels.

    filter: BLACKMAN_HARRIS, GAUSSIAN or BOX. width: pixels, as the scene has it (1.5).
    transparent: whether the background leaves alpha. exposure: Cycles' own factor of light.
    clamp_indirect, clamp_direct: Cycles' sample clamping, 0 = none.
    """

    filter: str = "BLACKMAN_HARRIS"
    width: float = 1.5
    transparent: bool = False
    transparent_glass: bool = False
    exposure: float = 1.0
    clamp_direct: float = 0.0
    clamp_indirect: float = 10.0


@dataclass(frozen=True, eq=False)
class Scene:
    """All of it; lists are referred to by number.

    viewpoints: cameras that frames are likely to be asked for (of the scene and its path, or the
    viewport's): bounced light is known best where they look. fog: homogeneous, of the world or
    a box; density: extinction per metre, the mean of the channels; color: scattered light /
    density; anisotropy: of Henyey and Greenstein; box: (4, 4) float64 from the world to where it
    lies, between -1 and 1 on each axis, None = everywhere.
    units: metres in one of Blender's units; every length in a material's program counts in those.
    """

    meshes: tuple[Mesh, ...] = ()
    instances: tuple[Instance, ...] = ()
    materials: tuple[Material, ...] = ()
    textures: tuple[Texture, ...] = ()
    lamps: tuple[Lamp, ...] = ()
    background: Background | None = None
    film: Film = Film()
    viewpoints: tuple[Camera, ...] = ()
    fog_density: float = 0.0
    fog_color: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fog_anisotropy: float = 0.0
    fog_box: np.ndarray | None = None
    units: float = 1.0

    def triangle_count(self) -> int:
        """Triangles of all instances together."""
        return sum(len(self.meshes[one.mesh].triangles) for one in self.instances)
