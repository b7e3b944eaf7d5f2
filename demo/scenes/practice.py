# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rooms and yards with their truth by Cycles: faults that no scene built by hand shows.

    python -m demo.scenes.practice --furniture A.sh3f --pictures FOLDER --skies FOLDER --output OUT
    python -m demo.scenes.compare OUT --modes none

The first runs with the bpy module. Each scene is a folder as render.py leaves it, whose views are
all targets. Scenes that are there already are passed over.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..leaving import leave_with
from . import checkout, pictures

sys.path.append(str(Path(__file__).resolve().parents[2] / "backend" / "data"))
import blender_furnished as furnished  # a program that is run by path
from blender_scenes import surfaces

SIZES = ((176, 128), (176, 128), (128, 176), (192, 112))
NEAREST, MOST_SKY = 0.25, 0.85
"""Metres that most of a view is away at least; part of it that may be sky."""


class Practice(furnished.Builder):
    """Furnished scenes with more kinds of materials, lamps and skies."""

    skies: list[Path]

    def material(self, across: tuple[float, float], textured: float) -> bpy.types.Material:
        made = super().material(across, textured)
        dice = self.random
        shader: Any = made.node_tree.nodes["Principled BSDF"]
        kind = dice.random()
        if kind < 0.1:
            shader.inputs["Metallic"].default_value = 1.0
            shader.inputs["Roughness"].default_value = dice.uniform(0.05, 0.6)
        elif kind < 0.25:
            shader.inputs["Roughness"].default_value = dice.uniform(0.02, 0.3)
        elif kind < 0.4:
            shader.inputs["Roughness"].default_value = 1.0
            shader.inputs["Specular IOR Level"].default_value = dice.choice([0.0, 0.5])
        if dice.random() < 0.2:
            self._bump(made, shader)
        return made

    def _bump(self, made: bpy.types.Material, shader: Any) -> None:
        nodes, links = made.node_tree.nodes, made.node_tree.links
        image: Any = next((n for n in nodes if n.type == "TEX_IMAGE"), None)
        if image is None:
            return
        bump: Any = nodes.new("ShaderNodeBump")
        bump.inputs["Strength"].default_value = self.random.uniform(0.1, 0.7)
        bump.inputs["Distance"].default_value = 0.02
        links.new(image.outputs["Color"], bump.inputs["Height"])
        links.new(bump.outputs["Normal"], shader.inputs["Normal"])

    def world(self, strength: float) -> None:
        super().world(strength)
        if not self.skies or self.random.random() < 0.5:
            return
        nodes, links = self.scene.world.node_tree.nodes, self.scene.world.node_tree.links
        sky: Any = nodes.new("ShaderNodeTexEnvironment")
        sky.image = bpy.data.images.load(str(self.random.choice(self.skies)), check_existing=True)
        links.new(sky.outputs["Color"], nodes["Background"].inputs["Color"])

    def shapes(self, low: tuple, high: tuple) -> None:
        """Balls, cones, rings and heads on the ground."""
        dice = self.random
        makers = (
            lambda r: bpy.ops.mesh.primitive_uv_sphere_add(radius=r, segments=32, ring_count=16),
            lambda r: bpy.ops.mesh.primitive_cone_add(radius1=r, depth=2 * r),
            lambda r: bpy.ops.mesh.primitive_torus_add(major_radius=0.7 * r, minor_radius=0.3 * r),
            lambda r: bpy.ops.mesh.primitive_monkey_add(size=1.6 * r),
        )
        for _ in range(dice.randrange(0, 7)):
            radius = dice.uniform(0.08, 0.5)
            place = self.free((2 * radius, 2 * radius), low, high, False)
            if place is None:
                continue
            dice.choice(makers)(radius)
            thing = bpy.context.object
            thing.location = (place[0], place[1], radius)
            thing.rotation_euler.z = place[2]
            if dice.random() < 0.7:
                bpy.ops.object.shade_smooth()
            thing.data.materials.append(self.material((1, 1), 0.4))

    def small_lamps(self, low: tuple, high: tuple) -> None:
        """Points and spots, some of them hard."""
        dice = self.random
        for _ in range(dice.randrange(0, 3)):
            kind = dice.choice(["POINT", "SPOT"])
            data: Any = bpy.data.lights.new("lamp", kind)
            data.energy = dice.uniform(5, 150)
            data.shadow_soft_size = dice.choice([0.0, 0.05, 0.25])
            data.color = (1, 1 - dice.uniform(0, 0.3), 1 - dice.uniform(0, 0.5))
            lamp = bpy.data.objects.new("lamp", data)
            lamp.location = (*(dice.uniform(low[i], high[i]) for i in (0, 1)), dice.uniform(0.5, 2))
            lamp.rotation_euler = (dice.uniform(0, 1), dice.uniform(-1, 1), 0)
            lamp.visible_camera = False
            self.scene.collection.objects.link(lamp)


def _place(builder: Practice) -> tuple[tuple, tuple]:
    """Builds the scene; the corners of where a camera may stand."""
    inside = builder.random.random() < furnished.INDOORS
    where = builder.indoors() if inside else builder.outdoors()
    builder.shapes(*where)
    builder.small_lamps(*where)
    return where


def _viewpoints(
    builder: Practice, where: tuple[tuple, tuple], views: int, aspect: float
) -> Iterator[tuple[Matrix, float]]:
    """(camera's matrix, its angle across) of views that show something, at a distance."""
    bpy.context.view_layer.update()
    tree = surfaces()
    found = 0
    for place in builder.cameras(*where, 4 * views):
        angle = math.radians(builder.random.uniform(38, 90)) * min(1.0, aspect + 0.15)
        wide = math.tan(angle / 2)
        x, y = np.meshgrid(np.linspace(-wide, wide, 16), np.linspace(-wide, wide, 12) / aspect)
        turn, origin = place.to_3x3(), place.translation
        rays = [turn @ Vector((a, b, -1)) for a, b in zip(x.ravel(), y.ravel(), strict=True)]
        away = [tree.ray_cast(origin, ray.normalized())[3] for ray in rays]
        met = np.array([np.inf if one is None else one for one in away])
        if np.percentile(met, 5) < NEAREST or np.isinf(met).mean() > MOST_SKY:
            continue
        yield place, angle
        found += 1
        if found == views:
            return


def _cameras(
    builder: Practice, where: tuple[tuple, tuple], size: tuple[int, int], views: int
) -> list[bpy.types.Object]:
    """Objects of the scene, one for each of its views."""
    made = []
    for number, (place, angle) in enumerate(_viewpoints(builder, where, views, size[0] / size[1])):
        data = bpy.data.cameras.new(f"view{number}")
        data.sensor_fit, data.angle = "HORIZONTAL", angle
        data.clip_start, data.clip_end = 0.02, 1000
        camera = bpy.data.objects.new(data.name, data)
        builder.scene.collection.objects.link(camera)
        camera.matrix_world = place
        made.append(camera)
    return made


def make(builder: Practice, folder: Path, samples: int, views: int) -> None:
    """Builds a scene and writes it into `folder`; nothing where no view shows anything."""
    scene = builder.scene
    where = _place(builder)
    size = builder.random.choice(SIZES)
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"
    pictures.configure(scene)
    cameras, eyes = _cameras(builder, where, size, views), []
    for camera in cameras:
        scene.camera = camera
        bpy.context.view_layer.update()
        eyes.append(checkout.camera_of(scene))
    if not cameras:
        return
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    made, problems = checkout.read(bpy.context.evaluated_depsgraph_get())
    world = checkout.write(replace(made, viewpoints=tuple(eyes)), folder / "worlds")
    listed = []
    for camera, eye in zip(cameras, eyes, strict=True):
        scene.camera = camera
        truth = folder / "truth" / f"{camera.name}.exr"
        seconds = pictures.cycles(scene, truth, samples)
        view = {"name": camera.name, "role": "target", "frame": 1, "camera": eye.to_json()}
        listed.append(view | {"world": world, "truth": f"truth/{truth.name}", "seconds": seconds})
    about = {"name": folder.name, "size": size, "problems": problems, "views": listed}
    about["display"] = pictures.display_settings(scene)
    (folder / "scene.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def main() -> int:
    parser = furnished.parser(views=6, samples=64)
    parser.description = __doc__.splitlines()[0]
    parser.add_argument("--skies", type=Path, help="folder of .hdr panoramas")
    wanted = parser.parse_args()
    skies = sorted(wanted.skies.glob("*.hdr")) if wanted.skies else []

    def start(*given: Any) -> Practice:
        checkout.forget()
        builder = Practice(*given)
        builder.skies = skies
        return builder

    furnished.build(wanted, "practice", "scene.json", start, make)
    return 0


if __name__ == "__main__":
    leave_with(main)
