# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders furnished rooms and yards with Cycles; run by path in a Python that has bpy.

    python blender_furnished.py --furniture A.sh3f --pictures FOLDER --out OUT --minutes 30

Furniture comes from libraries of Sweet Home 3D (.sh3f: a zip of OBJ models and a catalogue of their
sizes), surfaces from a folder of pictures. Each scene is a capture with depth (OUT/NAME with
transforms.json, images/ and depth/) whose ground is z = 0; transforms.json comes last of all.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import bpy
import numpy as np
from blender_scenes import depth_of, prepare, save_view, surfaces
from furniture_library import Model, catalogue
from mathutils import Euler, Matrix, Vector

SIZES = ((160, 120), (160, 120), (120, 160), (192, 108))
"""Width and height of the views of a scene."""
INDOORS = 0.65
SMALL = 0.5
"""Metres up to which a thing stands on others rather than on the floor."""
MOST_FACES = 60_000
BRIGHTNESS = 0.42
"""Median of a view's sRGB values that the exposure aims at."""


Maker = TypeVar("Maker", bound="Builder")


@dataclass(frozen=True)
class Footprint:
    """What a thing covers of the ground: (x0, y0, x1, y1), metres."""

    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: Footprint, gap: float) -> bool:
        return not (
            self.x1 + gap < other.x0
            or other.x1 + gap < self.x0
            or self.y1 + gap < other.y0
            or other.y1 + gap < self.y0
        )


class Builder:
    """One scene while it is built, with a dice of its own."""

    def __init__(
        self, models: list[Model], pictures: list[Path], unpacked: Path, seed: int
    ) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.random = random.Random(seed)
        self.models, self.pictures, self.unpacked = models, pictures, unpacked
        self.taken: list[Footprint] = []

    # surfaces ----------------------------------------------------------------------------------

    def material(self, across: tuple[float, float], textured: float) -> bpy.types.Material:
        """A picture repeated over `across` metres, or (1 - textured of the time) one colour."""
        material = bpy.data.materials.new("surface")
        material.use_nodes = True
        nodes, links = material.node_tree.nodes, material.node_tree.links
        shader: Any = nodes["Principled BSDF"]
        shader.inputs["Roughness"].default_value = self.random.uniform(0.25, 0.95)
        if self.random.random() > textured:
            value, warm = self.random.uniform(0.15, 0.85), self.random.uniform(-0.12, 0.12)
            shader.inputs["Base Color"].default_value = (
                value * (1 + warm),
                value,
                value * (1 - warm),
                1,
            )
            return material
        image: Any = nodes.new("ShaderNodeTexImage")
        image.image = bpy.data.images.load(
            str(self.random.choice(self.pictures)), check_existing=True
        )
        place: Any = nodes.new("ShaderNodeMapping")
        repeat = self.random.uniform(0.6, 3.0)
        place.inputs["Scale"].default_value = (across[0] / repeat, across[1] / repeat, 1)
        at: Any = nodes.new("ShaderNodeTexCoord")
        links.new(at.outputs["UV"], place.inputs["Vector"])
        links.new(place.outputs["Vector"], image.inputs["Vector"])
        links.new(image.outputs["Color"], shader.inputs["Base Color"])
        return material

    def box(self, centre: tuple, size: tuple, textured: float = 0.5) -> bpy.types.Object:
        """A box of `size` metres; flat where a side is 0."""
        bpy.ops.mesh.primitive_cube_add(size=1, location=centre)
        thing = bpy.context.object
        thing.scale = [max(side, 1e-3) for side in size]
        sides = sorted(size)[1:]
        thing.data.materials.append(self.material((sides[1], sides[0]), textured))
        return thing

    def sheet(
        self, at: tuple, turn: tuple, width: float, height: float, textured: float
    ) -> bpy.types.Object:
        """A rectangle about `at`, turned by Euler angles from lying on the ground."""
        bpy.ops.mesh.primitive_plane_add(size=1, location=at, rotation=turn)
        thing = bpy.context.object
        thing.scale = (width, height, 1)
        thing.data.materials.append(self.material((width, height), textured))
        return thing

    # furniture ---------------------------------------------------------------------------------

    def furnish(self, model: Model, at: tuple[float, float, float], turn: float) -> bool:
        """Imports a model, its feet at `at`; False when it has too many faces or none."""
        folder = self.unpacked / model.library.stem
        path = folder / model.path
        if not path.exists():
            with zipfile.ZipFile(model.library) as archive:
                home = model.path.rsplit("/", 1)[0] + "/"
                archive.extractall(folder, [n for n in archive.namelist() if n.startswith(home)])
        before = set(bpy.data.objects)
        bpy.ops.wm.obj_import(filepath=str(path))
        parts = [thing for thing in set(bpy.data.objects) - before if thing.type == "MESH"]
        corners = [
            part.matrix_world @ Vector(corner) for part in parts for corner in part.bound_box
        ]
        if not corners or sum(len(part.data.polygons) for part in parts) > MOST_FACES:
            for part in parts:
                bpy.data.objects.remove(part)
            return False
        low = Vector([min(c[i] for c in corners) for i in range(3)])
        high = Vector([max(c[i] for c in corners) for i in range(3)])
        sides = [max(high[i] - low[i], 1e-4) for i in range(3)]
        scale = Matrix.Diagonal([*(model.size[i] / sides[i] for i in range(3)), 1])
        foot = Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z))
        place = (
            Matrix.Translation(at)
            @ Matrix.Rotation(turn, 4, "Z")
            @ scale
            @ Matrix.Translation(-foot)
        )
        for part in parts:
            self.without_lost_pictures(part)
            part.matrix_world = place @ part.matrix_world
        return True

    def free(
        self, size: tuple[float, float], low: tuple, high: tuple, by_wall: bool
    ) -> tuple | None:
        """(x, y, turn) where a thing of `size` meets nothing yet; None after some tries."""
        for _ in range(10):
            quarter = self.random.randrange(4)
            turn = quarter * math.pi / 2 + (0 if by_wall else self.random.uniform(-0.6, 0.6))
            wide, deep = size if quarter % 2 == 0 else size[::-1]
            if not by_wall:
                wide = deep = math.hypot(*size)
            room = [high[0] - low[0] - wide, high[1] - low[1] - deep]
            if min(room) <= 0:
                return None
            x = low[0] + wide / 2 + self.random.random() * room[0]
            y = low[1] + deep / 2 + self.random.random() * room[1]
            if by_wall:  # a model's back is at its +y
                x, y = [(x, high[1] - deep / 2), (low[0] + wide / 2, y),
                        (x, low[1] + deep / 2), (high[0] - wide / 2, y)][quarter]  # fmt: skip
            here = Footprint(x - wide / 2, y - deep / 2, x + wide / 2, y + deep / 2)
            if not any(here.meets(other, 0.03) for other in self.taken):
                self.taken.append(here)
                return x, y, turn
        return None

    def scatter(self, number: int, low: tuple, high: tuple, walls: float) -> None:
        """`number` things on the ground, and small ones on top of what carries them."""
        small = [model for model in self.models if max(model.size) < SMALL]
        large = [model for model in self.models if max(model.size) >= SMALL]
        for _ in range(number):
            model = self.random.choice(large)
            by_wall = model.above_floor > 0.3 or self.random.random() < walls
            place = self.free(model.size[:2], low, high, by_wall)
            if place is None or not self.furnish(model, (*place[:2], model.above_floor), place[2]):
                continue
            if model.top and small and self.random.random() < 0.6:
                at = (*place[:2], model.above_floor + model.top)
                self.furnish(self.random.choice(small), at, self.random.uniform(0, math.tau))

    @staticmethod
    def without_lost_pictures(part: bpy.types.Object) -> None:
        """A material whose picture is not there keeps its colour; Cycles would show it pink."""
        for material in filter(None, part.data.materials):
            nodes = material.node_tree.nodes
            for node in [node for node in nodes if node.type == "TEX_IMAGE"]:
                if node.image is None or not node.image.size[0]:
                    nodes.remove(node)

    # places ------------------------------------------------------------------------------------

    def indoors(self) -> tuple[tuple, tuple]:
        """A room with furniture; the corners of where a camera may stand."""
        dice = self.random
        wide, deep, high = dice.uniform(2.8, 8), dice.uniform(2.8, 8), dice.uniform(2.3, 3.3)
        up = math.pi / 2
        self.sheet((0, 0, 0), (0, 0, 0), wide, deep, 0.8)
        self.sheet((0, 0, high), (math.pi, 0, 0), wide, deep, 0.1)
        for x, y, turn, length in ((0, deep / 2, 0, wide), (0, -deep / 2, math.pi, wide),
                                   (wide / 2, 0, -up, deep), (-wide / 2, 0, up, deep)):  # fmt: skip
            self.sheet((x, y, high / 2), (up, 0, turn), length, high, 0.35)
            inward = Matrix.Rotation(turn, 3, "Z") @ Vector((0, -1, 0))
            for _ in range(dice.randrange(3)):  # a door, a window or a picture
                height = dice.choice([2.05, 1.2, 0.7])
                width = dice.uniform(0.5, 1.3)
                along = Matrix.Rotation(turn, 3, "Z") @ Vector(
                    (dice.uniform(-0.4, 0.4) * length, 0, 0)
                )
                z = height / 2 if height > 2 else dice.uniform(1.3, 1.6)
                at = Vector((x, y, z)) + along + 0.02 * inward
                hung = self.box(at, (width, 0.04, height), 0.4)
                hung.rotation_euler = Euler((0, 0, turn))
        for _ in range(dice.randrange(1, 4)):
            at = (dice.uniform(-0.3, 0.3) * wide, dice.uniform(-0.3, 0.3) * deep, high - 0.05)
            self.lamp("AREA", at, dice.uniform(15, 60), (0, 0, 0), dice.uniform(0.1, 1.5))
        side = dice.choice([-1, 1])
        self.lamp(
            "AREA", (side * (wide / 2 - 0.05), 0, 1.5), dice.uniform(0, 120), (0, side * up, 0), 1.2
        )
        self.world(dice.uniform(0.02, 0.3))
        inside = (-wide / 2, -deep / 2), (wide / 2, deep / 2)
        self.scatter(dice.randrange(3, 14), *inside, walls=0.75)
        return inside

    def outdoors(self) -> tuple[tuple, tuple]:
        """A yard or a street: things on open ground between blocks and posts."""
        dice = self.random
        half = dice.uniform(4, 14)
        self.sheet((0, 0, 0), (0, 0, 0), 400, 400, 0.95)
        for _ in range(dice.randrange(2, 14)):
            wide, deep, high = dice.uniform(2, 18), dice.uniform(2, 18), dice.uniform(2, 14)
            angle, away = (
                dice.uniform(0, math.tau),
                half + max(wide, deep) + dice.expovariate(1 / 12),
            )
            block = self.box(
                (away * math.cos(angle), away * math.sin(angle), high / 2), (wide, deep, high), 0.85
            )
            block.rotation_euler = Euler((0, 0, dice.choice([0, 0, dice.uniform(0, 3)])))
        for _ in range(dice.randrange(0, 9)):
            radius, high = dice.uniform(0.03, 0.5), dice.uniform(0.8, 6)
            place = self.free((2 * radius, 2 * radius), (-half, -half), (half, half), False)
            if place:
                bpy.ops.mesh.primitive_cylinder_add(
                    radius=radius, depth=high, location=(*place[:2], high / 2)
                )
                bpy.context.object.data.materials.append(self.material((6 * radius, high), 0.6))
        self.lamp(
            "SUN",
            (0, 0, 20),
            dice.uniform(0.5, 5),
            (dice.uniform(-1.2, 1.2), dice.uniform(-1.2, 1.2), 0),
            0,
        )
        self.world(dice.uniform(0.5, 1.5))
        self.scatter(dice.randrange(3, 14), (-half, -half), (half, half), walls=0.1)
        return (-half, -half), (half, half)

    def lamp(self, kind: str, at: tuple, power: float, turn: tuple, size: float) -> None:
        data: Any = bpy.data.lights.new("lamp", kind)
        data.energy = power
        warm = self.random.uniform(0, 0.35)
        data.color = (1, 1 - warm / 2, 1 - warm)
        if kind == "AREA":
            data.size = size
        else:
            data.angle = self.random.choice([0.01, 0.1, 0.5])
        lamp = bpy.data.objects.new("lamp", data)
        lamp.location, lamp.rotation_euler = at, turn
        lamp.visible_camera = False
        self.scene.collection.objects.link(lamp)

    def world(self, strength: float) -> None:
        world: Any = bpy.data.worlds.new("world")
        self.scene.world = world
        world.use_nodes = True
        shade, blue = world.node_tree.nodes["Background"], self.random.uniform(0, 0.5)
        shade.inputs["Color"].default_value = (1 - blue, 1 - 0.6 * blue, 1, 1)
        shade.inputs["Strength"].default_value = strength

    def cameras(self, low: tuple, high: tuple, number: int) -> Iterator[Matrix]:
        """Where somebody with a camera would stand."""
        dice = self.random
        for _ in range(40 * number):
            x, y = (dice.uniform(low[i] + 0.2, high[i] - 0.2) for i in (0, 1))
            here = Footprint(x, y, x, y)
            if any(here.meets(other, 0.15) for other in self.taken):
                continue
            pitch = dice.uniform(-1.2, 1.0) if dice.random() < 0.12 else dice.gauss(-0.1, 0.16)
            # from the middle one looks anywhere, from a side rather across
            yaw = math.atan2(-(low[0] + high[0]) / 2 + x, (low[1] + high[1]) / 2 - y) + dice.gauss(
                0, 0.9
            )
            turn = Euler((math.pi / 2 + pitch, dice.gauss(0, 0.03), yaw)).to_matrix().to_4x4()
            yield Matrix.Translation((x, y, dice.uniform(0.8, 1.9))) @ turn


def expose(scene: bpy.types.Scene, picture: Path) -> None:
    """Sets the exposure by a view that was rendered with the one before."""
    image: Any = bpy.data.images.load(str(picture))
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    median = float(np.median(values.reshape(-1, 4)[:, :3]))
    bpy.data.images.remove(image)
    stops = 2.2 * math.log2(BRIGHTNESS / max(median, 0.01))
    scene.view_settings.exposure += max(-6.0, min(6.0, stops))


def make(builder: Builder, out: Path, samples: int, views: int) -> None:
    """Builds a scene and renders its views into `out`."""
    dice = builder.random
    where = builder.indoors() if dice.random() < INDOORS else builder.outdoors()
    width, height = dice.choice(SIZES)
    prepare(builder.scene, (width, height), samples)
    data = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", data)
    builder.scene.collection.objects.link(camera)
    builder.scene.camera = camera
    bpy.context.view_layer.update()
    tree = surfaces()
    frames: list[dict[str, Any]] = []
    for folder in ("images", "depth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for place in builder.cameras(*where, views):
        wide = math.radians(dice.uniform(38, 95)) * min(1.0, width / height + 0.15)
        data.sensor_fit, data.angle = "HORIZONTAL", wide
        focal = width / 2 / math.tan(wide / 2)
        camera.matrix_world = place
        bpy.context.view_layer.update()
        seen = depth_of(tree, place, focal, width, height)
        if np.percentile(seen, 5) < 0.3 or np.isinf(seen).mean() > 0.8:
            continue
        picture, depth = f"images/{len(frames):04d}.png", f"depth/{len(frames):04d}.npy"
        if not frames:
            save_view(out / picture, out / depth, lambda seen=seen: seen)
            expose(builder.scene, out / picture)
        save_view(out / picture, out / depth, lambda seen=seen: seen)
        lens = {
            "fl_x": focal,
            "fl_y": focal,
            "cx": width / 2,
            "cy": height / 2,
            "w": width,
            "h": height,
        }
        matrix = [list(row) for row in place]
        frames.append(
            {"file_path": picture, "depth_file_path": depth, "transform_matrix": matrix} | lens
        )
        if len(frames) == views:
            break
    if frames:
        (out / "transforms.json").write_text(
            json.dumps({"frames": frames}, indent=1), encoding="utf-8"
        )


def parser(views: int, samples: int) -> argparse.ArgumentParser:
    """Of programs that build such scenes: their options, with so many views and samples usually."""
    made = argparse.ArgumentParser()
    made.add_argument("--furniture", type=Path, nargs="+", required=True, help=".sh3f libraries")
    made.add_argument("--pictures", type=Path, required=True, help="folder of textures")
    made.add_argument("--out", "--output", type=Path, required=True)
    made.add_argument("--minutes", type=float, default=30)
    made.add_argument("--views", type=int, default=views)
    made.add_argument("--samples", type=int, default=samples)
    made.add_argument("--seed", type=int, default=1)
    return made


def build(
    wanted: argparse.Namespace,
    name: str,
    last: str,
    start: Callable[[list[Model], list[Path], Path, int], Maker],
    make: Callable[[Maker, Path, int, int], None],
) -> None:
    """Scenes of one seed after another in folders NAME-SEED, until the time is over; those whose
    file `last` is there are passed over.

    wanted: of `parser`. start: the builder of a seed, see `Builder`. make: what builds a scene with
    it and writes it, see `make`.
    """
    began = time.monotonic()
    models = [model for library in wanted.furniture for model in catalogue(library)]
    pictures = sorted(p for p in wanted.pictures.rglob("*") if p.suffix.lower() in {".png", ".jpg"})
    with tempfile.TemporaryDirectory() as unpacked:
        for seed in count(wanted.seed):
            out = wanted.out / f"{name}-{seed:06d}"
            if not (out / last).exists():
                make(
                    start(models, pictures, Path(unpacked), seed), out, wanted.samples, wanted.views
                )
                print(f"{out.name} {time.monotonic() - began:.0f} s", flush=True)
            if time.monotonic() - began > 60 * wanted.minutes:
                break


if __name__ == "__main__":
    options = parser(views=10, samples=8).parse_args()
    build(options, "furnished", "transforms.json", Builder, make)
