# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory saw beside its lit picture corrects other views, on the surfaces it saw."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.light import frame
from backend.conditioning.light.cache import Quality
from backend.conditioning.light.frame import LitFrame
from backend.conditioning.light.shade import Lighting
from backend.conditioning.memory import lookup
from backend.conditioning.memory.lookup import fetch
from backend.conditioning.memory.past_scenes import MOST_BOXES, PastScenes, fewer
from backend.conditioning.memory.ratio import Corrected, Memory
from backend.conditioning.memory.remembered import Remembered, grid_of, points_of, smoothed
from backend.shared.camera import Camera
from backend.shared.frame import MemoryFrame
from backend.shared.moment import Moment
from backend.shared.scene import Scene
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    closure,
    lamp_at,
    lighting_of,
    matt,
    scene_of,
)

FINE = Quality(3000, 48)
ROOM = (box_mesh((-3, -3, 0), (3, 3, 3)), matt((0.7, 0.6, 0.5)))
BOX = (box_mesh((-0.5, -0.5, 0), (0.5, 0.5, 1)), matt((0.2, 0.4, 0.7)))
LAMP = lamp_at("POINT", (1, -1, 2.7), 80.0, radius=0.1)
FRONT = camera_at((0.2, -2.8, 1.6), (0, 0, 0.6), size=48, fov=1.1)
ASIDE = camera_at((1.2, -2.5, 1.5), (0, 0, 0.6), size=48, fov=1.1)
BEHIND = camera_at((-0.2, 2.8, 1.6), (0, 0, 0.6), size=48, fov=1.1)


def room(*parts: object) -> Scene:
    return replace(scene_of([ROOM, *parts], [LAMP]), viewpoints=(FRONT,))


def lit_of(scene: Scene) -> Lighting:
    return lighting_of(scene, FINE)


def memory_of(picture: np.ndarray, camera: Camera, depth: np.ndarray | None = None) -> MemoryFrame:
    return MemoryFrame("one", "one", camera, depth=depth, radiance=picture.astype(np.float16))


def remembered(lighting: Lighting, one: MemoryFrame) -> Remembered:
    (then,) = PastScenes(FINE).of(lighting, [one])
    return Remembered.of(then, one)


def corrected(lighting: Lighting, one: MemoryFrame, camera: Camera) -> tuple[LitFrame, Corrected]:
    lit = frame.render(lighting, camera)
    memory = Memory(lighting, {1: remembered(lighting, one)})
    return lit, memory.corrected(lit, camera)


def owners(lighting: Lighting, lit: LitFrame) -> np.ndarray:
    """(H, W) instance in every pixel."""
    return np.where(lit.triangle >= 0, lighting.geometry.owner[lit.triangle], -1)


@pytest.mark.parametrize("camera", [ASIDE, BEHIND], ids=["seen", "unseen"])
def test_a_wrong_exposure_is_carried_everywhere(camera: Camera) -> None:
    lighting = lit_of(room(BOX))
    there = frame.render(lighting, FRONT)
    lit, made = corrected(lighting, memory_of(1.3 * there.color, FRONT), camera)
    ratio = made.color.sum(axis=2) / lit.color.sum(axis=2)
    assert np.median(ratio) == pytest.approx(1.3, abs=0.02)
    assert np.percentile(np.abs(ratio - 1.3), 95) < 0.06
    seen = (made.confidence > 0.9).mean()
    assert seen > 0.5 if camera is ASIDE else seen < 0.7
    np.testing.assert_array_equal(made.frame > 0, made.confidence > 0)


def test_memory_of_what_light_explains_changes_nothing() -> None:
    lighting = lit_of(room(BOX))
    there = frame.render(lighting, FRONT)
    lit, made = corrected(lighting, memory_of(there.color, FRONT), ASIDE)
    assert np.abs(made.color / lit.color - 1).max() < 0.02


def picture_hash() -> str:
    """Of a picture that memory corrects; run in processes of their own."""
    lighting = lighting_of(room(BOX))
    far = camera_at((0.2, -2.8, 1.6), (0, 0, 0.6), size=120, fov=1.1)
    there = frame.render(lighting, FRONT)
    _, made = corrected(lighting, memory_of(1.2 * there.color, FRONT), far)
    return hashlib.sha256(made.color.tobytes()).hexdigest()


def test_the_same_world_gives_the_same_bytes_on_any_number_of_threads() -> None:
    program = "from tests.conditioning.memory.test_ratio import *\nprint(picture_hash())"
    made = set()
    for threads in ("1", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": os.getcwd()}
        command = [sys.executable, "-c", program]
        made.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(made) == 1


def test_a_texture_that_no_node_told_is_seen_from_aside() -> None:
    lighting = lit_of(room())
    front, aside = replace_size(FRONT, 96), replace_size(ASIDE, 96)
    stripes = []
    for camera in (front, aside):
        lit = frame.render(lighting, camera)
        place = np.zeros((*lit.triangle.shape, 3))
        place[lit.triangle >= 0] = points_of(lighting.geometry, camera, lit).position
        wave = 1 + 0.5 * np.sin(place[..., :1] * 12)
        stripes.append(lit.color * wave)
    lit, made = corrected(lighting, memory_of(stripes[0], front), aside)
    known = made.confidence > 0.95
    before = np.abs(lit.color - stripes[1])[known].mean()
    assert np.abs(made.color - stripes[1])[known].mean() < 0.4 * before


def replace_size(camera: Camera, size: int) -> Camera:
    return camera.resized(size, size)


def test_what_was_deleted_leaves_nothing() -> None:
    """A box that was bright in memory; what is behind it isn't known and stays as lit."""
    before, after = lit_of(room(BOX)), lit_of(room())
    there = frame.render(before, FRONT)
    picture = np.where((owners(before, there) == 1)[..., None], 5.0, there.color)
    lit, made = corrected(after, memory_of(picture, FRONT, there.depth), FRONT)
    behind = owners(before, there) == 1
    assert made.confidence[behind].mean() < 0.2
    assert (made.color / lit.color)[behind].max() < 1.5


def test_what_is_brighter_than_lit_leaves_no_halo_on_a_bright_sky() -> None:
    """A box that is lit darker than it is: its outlines show the sky as well, which is right."""

    def scene(grey: float) -> Scene:
        made = scene_of([(BOX[0], matt((grey, grey, grey)))], [LAMP], sky=1.0)
        return replace(made, viewpoints=(FRONT,))

    dark, truth = lit_of(scene(0.02)), lit_of(scene(0.06))
    seen = frame.render(truth, FRONT)
    lit, made = corrected(dark, memory_of(seen.color, FRONT), ASIDE)
    real = frame.render(truth, ASIDE).color
    mine = lit.triangle >= 0
    away = np.abs(made.color - real).max(axis=2)
    assert away[mine].mean() < 0.25 * np.abs(lit.color - real)[mine].mean()
    assert away.max() < 0.05


def test_what_is_smooth_along_a_surface_is_no_darker_where_little_is_known_of_it() -> None:
    lighting = lit_of(room(BOX))
    lit = frame.render(lighting, FRONT)
    guide = grid_of(points_of(lighting.geometry, FRONT, lit), lit.triangle >= 0)
    random = np.random.default_rng(0)
    weight = (random.random(guide.shape) < 0.03).astype(np.float32)
    made = smoothed(np.full((*guide.shape, 2), 3, np.float32), weight, guide)
    known = made[..., 0] > 0
    assert 0.5 < known.mean() < 0.999
    np.testing.assert_allclose(made[known], 3, rtol=1e-4)


def test_other_objects_take_nothing_of_a_material_that_was_read_wrongly() -> None:
    lighting = lit_of(room(BOX))
    there = frame.render(lighting, FRONT)
    red = np.array([2.0, 0.5, 0.5], np.float32)
    picture = np.where((owners(lighting, there) == 1)[..., None], there.color * red, there.color)
    lit, made = corrected(lighting, memory_of(picture, FRONT), BEHIND)
    ratio = made.color / np.maximum(lit.color, 1e-6)
    mine = owners(lighting, lit) == 1
    np.testing.assert_allclose(np.median(ratio[mine], axis=0), red, rtol=0.2)
    np.testing.assert_allclose(np.median(ratio[~mine], axis=0), 1, atol=0.03)


def test_mirrors_keep_their_own_reflection() -> None:
    """A ratio seen from one side says nothing of what a mirror shows to another."""
    mirror = closure("BSDF_GLOSSY", Color=[0.9, 0.9, 0.9, 1.0], Roughness=0.0)
    lighting = lit_of(room((BOX[0], mirror)))
    there = frame.render(lighting, FRONT)
    shown = (owners(lighting, there) == 1)[..., None]
    lit, made = corrected(
        lighting, memory_of(np.where(shown, 3 * there.color, there.color), FRONT), ASIDE
    )
    mine = owners(lighting, lit) == 1
    assert made.confidence[mine].mean() < 0.3
    assert np.median((made.color / np.maximum(lit.color, 1e-6))[mine]) < 1.4


def test_clipped_pixels_of_photos_tell_nothing() -> None:
    lighting = lit_of(room(BOX))
    white = MemoryFrame("one", "one", FRONT, rgb=np.full((48, 48, 3), 255, np.uint8))
    lit, made = corrected(lighting, white, FRONT)
    assert not made.confidence.any()
    np.testing.assert_allclose(made.color, lit.color, rtol=1e-5)


def test_frames_are_looked_up_as_a_slow_twin_does() -> None:
    lighting = lit_of(room(BOX))
    there, here = frame.render(lighting, FRONT), frame.render(lighting, ASIDE)
    memory = remembered(lighting, memory_of(there.color, FRONT))
    points = points_of(lighting.geometry, ASIDE, here)
    quick = fetch(memory, points)
    assert 0.3 < (quick.known > 0).mean() < 0.99
    values, known = fetched_slowly(memory, points)
    np.testing.assert_allclose(quick.known, known, atol=1e-5)
    np.testing.assert_allclose(quick.values, values, atol=1e-4)


def fetched_slowly(memory: Remembered, points: object) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear weights of the pixels around each point that show its own surface."""
    place, _ = memory.camera.project(points.position.astype(np.float64))
    place = place.astype(np.float32) - 0.5
    guide, total = memory.guide, np.zeros(len(place))
    sums = np.zeros((len(place), memory.values.shape[2]))
    for dy in (0, 1):
        for dx in (0, 1):
            corner = np.floor(place).astype(int) + np.array([dx, dy])
            inside = ((corner >= 0) & (corner < (memory.camera.width, memory.camera.height))).all(1)
            u, v = np.where(inside[:, None], corner, 0).T
            off = np.einsum("ni,ni->n", points.position - guide.position[v, u], guide.normal[v, u])
            fits = (
                inside
                & (guide.group[v, u] == points.owner)
                & (np.einsum("ni,ni->n", points.facing, guide.normal[v, u]) >= lookup.SAME_WAY)
                & (np.abs(off) <= lookup.SAME_PLACE * guide.width[v, u])
            )
            weight = np.prod(1 - np.abs(place - corner), axis=1) * memory.known[v, u] * fits
            total += weight
            sums += weight[:, None] * memory.values[v, u]
    known = np.where(total >= lookup.LEAST, np.minimum(2 * total, 1), 0)
    return np.where(known[:, None] > 0, sums / np.maximum(total, 1e-9)[:, None], 0), known


def moved(scene: Scene, number: int, **changes: object) -> Scene:
    """The scene with another instance `number`."""
    instances = list(scene.instances)
    instances[number] = replace(instances[number], **changes)
    return replace(scene, instances=tuple(instances))


def spotted(lighting: Lighting, camera: Camera) -> tuple[LitFrame, np.ndarray]:
    """A lit frame, and its picture with a wave on the box that its material does not tell."""
    lit = frame.render(lighting, camera)
    points = points_of(lighting.geometry, camera, lit)
    own = np.zeros((*lit.triangle.shape, 1))
    box = lighting.geometry.scene.instances[1]
    local = (points.position - box.matrix[:3, 3]) @ box.matrix[:3, :3]
    own[lit.triangle >= 0] = np.where(points.owner == 1, np.sin(9 * local[:, 2]), 0)[:, None]
    return lit, lit.color * np.exp(0.5 * own)


def turned(angle: float, x: float) -> np.ndarray:
    """(4, 4) about the vertical, and along X."""
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[0, 3] = x
    return matrix


def test_a_moved_box_keeps_its_look_and_its_old_place_keeps_nothing() -> None:
    scene, near = room(BOX), replace_size(FRONT, 96)
    there, picture = spotted(lit_of(scene), near)
    one = replace(memory_of(picture, near, there.depth), moment=Moment.of(scene))
    after = lit_of(moved(scene, 1, matrix=turned(0.3, 0.6)))
    _, truth = spotted(after, near)
    lit, made = corrected(after, one, near)
    mine = (owners(after, lit) == 1) & (made.confidence > 0.9)
    assert mine.sum() > 100
    error = np.abs(made.color - truth)[mine].mean()
    assert error < 0.5 * np.abs(lit.color - truth)[mine].mean()
    others = owners(after, lit) == 0
    assert np.abs(made.color / lit.color - 1)[others].mean() < 0.03
    forgetful = replace(one, moment=None)
    _, worse = corrected(after, forgetful, near)
    assert np.abs(worse.color - truth)[mine].mean() > 1.5 * error


def test_a_bent_box_keeps_its_look_where_its_vertices_were_kept() -> None:
    scene = room(BOX)
    there, picture = spotted(lit_of(scene), FRONT)
    bent = replace(BOX[0], vertices=BOX[0].vertices * np.float32([1, 1, 1.4]))
    after = lit_of(replace(scene, meshes=(scene.meshes[0], bent)))
    lit = frame.render(after, FRONT)
    mine = owners(after, lit) == 1
    for kept, least, most in (({"part1"}, 0.8, 1.0), (set(), 0.0, 0.01)):
        moment = Moment.of(scene, kept)
        one = replace(memory_of(picture, FRONT, there.depth), moment=moment)
        _, made = corrected(after, one, FRONT)
        assert least <= made.confidence[mine].mean() <= most


def test_a_repainted_box_shows_its_new_colour() -> None:
    scene = room(BOX)
    there = frame.render(lit_of(scene), FRONT)
    one = replace(memory_of(there.color, FRONT, there.depth), moment=Moment.of(scene))
    red = matt((0.8, 0.1, 0.1))
    after = lit_of(replace(scene, materials=(scene.materials[0], red)))
    lit, made = corrected(after, one, ASIDE)
    mine = owners(after, lit) == 1
    assert not made.confidence[mine].any()
    assert np.abs(made.color / lit.color - 1)[mine].max() < 0.1
    assert made.confidence[~mine].mean() > 0.5


def test_a_box_that_was_not_there_takes_nothing_of_what_was_behind() -> None:
    before, scene = room(), room(BOX)
    there = frame.render(lit_of(before), FRONT)
    one = replace(memory_of(there.color, FRONT, there.depth), moment=Moment.of(before))
    after = lit_of(scene)
    lit, made = corrected(after, one, FRONT)
    mine = owners(after, lit) == 1
    assert not made.confidence[mine].any()
    assert np.abs(made.color / lit.color - 1).max() < 0.15


def test_a_lamp_that_changed_lights_what_memory_saw() -> None:
    """Memory of a dim room says nothing against a bright one."""
    scene = room(BOX)
    there = frame.render(lit_of(scene), FRONT)
    one = replace(memory_of(there.color, FRONT, there.depth), moment=Moment.of(scene))
    lamp = lamp_at("POINT", (1, -1, 2.7), 240.0, radius=0.1)
    lit, made = corrected(lit_of(replace(scene, lamps=(lamp,))), one, ASIDE)
    assert (made.confidence > 0.9).mean() > 0.5
    assert np.abs(made.color / lit.color - 1).mean() < 0.03


def test_another_sky_makes_memory_of_no_use_unless_it_was_kept() -> None:
    scene = room(BOX)
    there = frame.render(lit_of(scene), FRONT)
    one = memory_of(there.color, FRONT, there.depth)
    sky = replace(scene.background, pixels=np.full((1, 1, 3), 2, np.float32))
    after = lit_of(replace(scene, background=sky))
    unknown = replace(one, moment=Moment.of(scene, sky_known=False))
    assert PastScenes(FINE).of(after, [unknown]) == [None]
    lit, made = corrected(after, replace(one, moment=Moment.of(scene)), ASIDE)
    assert (made.confidence > 0.9).mean() > 0.5
    assert np.abs(made.color / lit.color - 1).mean() < 0.03


def test_many_boxes_are_joined_to_few_that_hold_them() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(-5, 5, (1000, 3))
    boxes = np.stack([low, low + 0.1], axis=1).astype(np.float32)
    few = fewer(boxes)
    assert len(few) == MOST_BOXES and few.dtype == np.float32
    inside = (few[None, :, 0] <= boxes[:, None, 0]) & (few[None, :, 1] >= boxes[:, None, 1])
    assert inside.all(axis=2).any(axis=1).all()
    assert np.prod(few[:, 1] - few[:, 0], axis=1).sum() < 1.6 * 10**3
    same = np.repeat(boxes[:1], 100, axis=0)
    assert (fewer(same)[0] == same[0]).all() and fewer(boxes[:5]) is not None
    np.testing.assert_array_equal(fewer(boxes[:5]), boxes[:5])


def test_pasts_that_are_too_many_forget_what_moved_and_keep_the_rest(monkeypatch) -> None:
    monkeypatch.setattr("backend.conditioning.memory.past_scenes.MOST_PASTS", 1)
    scene = room(BOX)
    frames = [
        replace(memory_of(np.ones((48, 48, 3)), FRONT), moment=Moment.of(each))
        for each in (scene, moved(scene, 1, matrix=turned(0.0, 0.7)))
    ]
    now = lit_of(moved(scene, 1, matrix=turned(0.0, 0.3)))
    first, second = PastScenes(FINE).of(now, frames)
    assert first.lighting is not now and first.fits.all()
    assert second.lighting is now and second.fits.tolist() == [True, False]
    assert len(second.gone) == 2


def test_the_past_is_lit_once_while_things_move() -> None:
    scene = room(BOX)
    one = replace(memory_of(np.ones((48, 48, 3)), FRONT), moment=Moment.of(scene))
    past, lit = PastScenes(FINE), []
    for x in (0.5, 0.7):
        (then,) = past.of(lit_of(moved(scene, 1, matrix=turned(0.0, x))), [one])
        lit.append(then.lighting)
    assert lit[0] is lit[1]


def test_what_other_frames_do_not_confirm_is_not_believed() -> None:
    """Two frames that saw the box's front in different light, and the room's wave alike."""
    scene = room(BOX)
    lighting = lit_of(scene)
    cameras = (FRONT, ASIDE)
    found = []
    for sign, camera in zip((1, -1), cameras, strict=True):
        lit = frame.render(lighting, camera)
        points = points_of(lighting.geometry, camera, lit)
        wave = np.sin(2 * points.position[:, 2])
        told = np.zeros((*lit.triangle.shape, 1))
        told[lit.triangle >= 0, 0] = np.where(points.owner == 0, wave, sign * np.sign(wave - 0.9))
        found.append(remembered(lighting, memory_of(lit.color * np.exp(0.4 * told), camera)))
    memory = Memory(lighting, dict(enumerate(found, start=1)))
    wall, box, _ = memory.agreement
    assert wall > 0.7 and box < 0.4
    alone = Memory(lighting, {1: found[0]})
    assert (alone.agreement[:2] > 0.7).all()


def test_the_shadow_of_what_was_deleted_goes_with_it() -> None:
    before, scene = room(BOX), room()
    there = frame.render(lit_of(before), FRONT)
    one = replace(memory_of(there.color, FRONT, there.depth), moment=Moment.of(before))
    lit, made = corrected(lit_of(scene), one, FRONT)
    assert np.abs(made.color / lit.color - 1).max() < 0.25
    assert 0.2 < (made.confidence > 0.9).mean() < 0.9


def test_noise_of_a_picture_that_was_not_denoised_is_not_remembered() -> None:
    lighting = lit_of(room(BOX))
    there = frame.render(lighting, FRONT)
    grain = np.exp(0.3 * np.random.default_rng(0).normal(size=there.color.shape))
    lit, made = corrected(lighting, memory_of(grain * there.color, FRONT), FRONT)
    known = made.confidence > 0.9
    assert known.mean() > 0.5
    left = np.log(made.color[known] / lit.color[known]).std()
    assert left < 0.1
    # stripes that light does not know, on one of the surfaces, are
    owner = owners(lighting, there)
    stripes = np.where((owner == 1) & (np.arange(48) // 2 % 2 == 0), 2.0, 1.0)[..., None]
    _, made = corrected(lighting, memory_of(stripes * there.color, FRONT), FRONT)
    box = (owner == 1) & (made.confidence > 0.9)
    assert np.log(made.color[box] / lit.color[box]).std() > 0.2


def test_what_differs_from_place_to_place_is_not_believed_of_places_that_nobody_saw() -> None:
    """A light that memory saw in one corner says nothing about the opposite one."""
    lighting = lit_of(room(BOX))
    corner = camera_at((-0.5, -0.5, 1.6), (-3, -3, 0.5), size=48, fov=0.9)
    there = frame.render(lighting, corner)
    points = points_of(lighting.geometry, corner, there)
    light = np.zeros((*there.triangle.shape, 1))
    away = np.linalg.norm(points.position - (-3, -3, 0.5), axis=1)
    light[there.triangle >= 0] = np.maximum(1.2 - 0.8 * away, -0.2)[:, None]
    opposite = camera_at((0.5, 0.5, 1.6), (3, 3, 0.5), size=48, fov=0.9)
    lit, made = corrected(lighting, memory_of(there.color * np.exp(light), corner), opposite)
    assert made.confidence.max() == 0
    more = np.log(made.color.sum(axis=2) / lit.color.sum(axis=2))
    assert np.abs(more).mean() < 0.02
