# SPDX-License-Identifier: GPL-3.0-or-later
"""Baselines and evaluation on a scene whose every pixel is known: a painted box under a sky."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from backend.data.nerfstudio import PosedFrame
from backend.evaluation import metrics
from backend.evaluation.baselines import BASELINES, BaselineRenderer, telea, widened
from backend.evaluation.contact_sheet import contact_sheet, evenly
from backend.evaluation.evaluate import evaluate, evaluation_world, spread
from backend.evaluation.summary import summarise
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import InputError

SIZE = (64, 48)


def trace(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """A floor at z = 0, a wall at x = 6, a post at (3, 0), all painted; sky above the wall."""
    rays = camera.rays().astype(np.float64)
    eye = camera.position
    depth = np.full(rays.shape[:2], np.inf)
    shade = 0.5 + 0.4 * rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    for axis, level, limits in (
        (2, 0.0, ((-9, 6), (-9, 9), (-1, 1))),
        (0, 6.0, ((5, 7), (-9, 9), (0, 2.5))),
        (0, 3.0, ((2, 4), (-0.4, 0.4), (0, 2))),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (level - eye[axis]) / rays[..., axis]
            points = eye + t[..., None] * rays
            hit = (t > 0.01) & (t < depth)
            for other, (low, high) in enumerate(limits):
                if other != axis:
                    hit &= (points[..., other] >= low) & (points[..., other] <= high)
        depth[hit] = t[hit]
        shade[hit] = 0.5 + 0.3 * np.sin(2 * points[hit] + axis + level)
    return (shade * 255).round().astype(np.uint8), depth.astype(np.float32)


def frame(y: float, name: str, with_depth: bool = True) -> PosedFrame:
    c2w = look_at(np.array([-1.0, y, 1.4]), np.array([5.0, y * 0.3, 1.4]))
    camera = Camera(intrinsics(1.1, *SIZE), c2w, *SIZE)
    rgb, depth = trace(camera)
    return PosedFrame(camera, rgb, depth if with_depth else None, name)


@pytest.fixture(scope="module")
def frames() -> list[PosedFrame]:
    return [frame(y, f"{i}.png") for i, y in enumerate((-1.0, -0.5, 0.0, 0.5, 1.0))]


def test_spread_is_even_and_leaves_targets() -> None:
    assert spread(1, 5) == [2]
    assert spread(3, 15) == [2, 7, 12]
    for count, total in ((0, 5), (5, 5), (1, 1)):
        with pytest.raises(InputError, match="references"):
            spread(count, total)


def test_a_reference_seen_by_itself(frames: list[PosedFrame]) -> None:
    world = evaluation_world(frames, [2], "references")
    made = BaselineRenderer(world).render(frames[2].camera)
    assert list(made) == list(BASELINES)
    for name in ("splat", "splat+telea", "backward+telea"):
        assert metrics.psnr(made[name].rgb, frames[2].rgb) > 30, name


@pytest.mark.parametrize("geometry", ["references", "all"])
def test_baselines_of_a_moved_camera(frames: list[PosedFrame], geometry: str) -> None:
    world = evaluation_world(frames, [2], geometry)
    target = frames[3]
    made = BaselineRenderer(world).render(target.camera)
    seen = metrics.seen(target.camera, target.depth, frames[2].camera, frames[2].depth)
    assert 0.5 < seen.mean() < 0.99
    backward = metrics.psnr(made["backward+telea"].rgb, target.rgb, seen)
    points = metrics.psnr(made["splat+telea"].rgb, target.rgb, seen)
    bare = metrics.psnr(made["splat"].rgb, target.rgb)
    assert backward > 24
    assert backward > points > bare
    # nothing is left black by inpainting
    assert (made["splat+telea"].rgb.max(axis=-1) > 0).mean() > 0.99


def test_colours_come_from_references_alone(frames: list[PosedFrame]) -> None:
    painted = [
        PosedFrame(f.camera, f.rgb if i == 2 else np.full_like(f.rgb, (255, 0, 0)), f.depth, f.name)
        for i, f in enumerate(frames)
    ]
    honest, tinted = (evaluation_world(f, [2], "all") for f in (frames, painted))
    np.testing.assert_array_equal(honest.anchors.rgb, tinted.anchors.rgb)
    assert len(honest.anchors) > len(evaluation_world(frames, [2], "references").anchors)
    assert [m.name for m in honest.memory] == ["2.png"]


def test_widened_is_what_drawing_squares_gives() -> None:
    rng = np.random.default_rng(1)
    depth = np.where(rng.random((12, 14)) < 0.3, rng.uniform(1, 9, (12, 14)), 0).astype(np.float32)
    rgb = rng.integers(0, 256, (12, 14, 3), dtype=np.uint8)
    expected, nearest = np.zeros_like(rgb), np.full(depth.shape, np.inf)
    for y, x in np.argwhere(depth > 0):
        for v in range(max(0, y - 1), min(12, y + 2)):
            for u in range(max(0, x - 1), min(14, x + 2)):
                if depth[y, x] < nearest[v, u]:
                    nearest[v, u], expected[v, u] = depth[y, x], rgb[y, x]
    wide, known = widened(rgb, depth)
    np.testing.assert_array_equal(known, np.isfinite(nearest))
    np.testing.assert_array_equal(wide[known], expected[known])


def test_telea_keeps_what_is_known() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    known = np.ones((20, 20), bool)
    known[5:9, 5:9] = False
    filled = telea(rgb, known)
    np.testing.assert_array_equal(filled[known], rgb[known])
    assert telea(rgb, np.zeros((20, 20), bool)) is rgb


@pytest.fixture(scope="module")
def of_truth(frames: list[PosedFrame]) -> dict[str, Any]:
    """The metrics of a model that knows the truth."""
    truth = {f.camera.position[1]: f.rgb for f in frames}
    return evaluate(
        frames, [2], "references", lambda world, camera, seed: truth[camera.position[1]]
    ).metrics


def test_evaluate_of_the_truth_is_perfect(of_truth: dict[str, Any]) -> None:
    mean = of_truth["mean"]
    assert mean["psnr"] == metrics.PSNR_LIMIT
    assert mean["ssim"] == pytest.approx(1)
    assert mean["gradient_ratio_holes"] == pytest.approx(1)
    assert mean["warp_error"] == mean["warp_error_truth"]
    assert 0.5 < mean["coverage"] < 1


def test_evaluate_measures_all_frames_but_the_references(of_truth: dict[str, Any]) -> None:
    assert [t["name"] for t in of_truth["targets"]] == ["0.png", "1.png", "3.png", "4.png"]
    assert of_truth["targets"][-1]["warp_error"] is None
    json.dumps(of_truth, allow_nan=False)


def test_evaluate_measures_baselines_beside_the_model(of_truth: dict[str, Any]) -> None:
    for baseline in of_truth["baselines"].values():
        assert baseline["mean"]["psnr"] < 50
        assert baseline["mean"]["ms"]["total"] > 0


def test_evaluate_blames_blur(frames: list[PosedFrame]) -> None:
    grey = np.full_like(frames[0].rgb, 128)
    mean = evaluate(frames, [2], "all", lambda *_: grey, ()).metrics["mean"]
    assert mean["gradient_ratio_holes"] == 0
    assert mean["psnr_holes"] < 25


def test_evaluate_keeps_what_predict_was_given(frames: list[PosedFrame]) -> None:
    calls = []

    def predict(world, camera, seed):
        calls.append((id(world), seed))
        return frames[0].rgb

    evaluate(frames, [1, 3], "references", predict, (), seed=5)
    assert len(set(calls)) == 1
    assert len(calls) == 3
    assert calls[0][1] == 5


@pytest.mark.parametrize(
    ("references", "geometry", "says"),
    [
        ([7], "references", "0 to 4"),
        ([], "references", "does not exist"),
        ([1, 1], "references", "once"),
        ([0, 1, 2, 3, 4], "references", "at least one"),
        ([1], "some", "geometry is"),
    ],
)
def test_evaluate_refuses(
    frames: list[PosedFrame], references: list[int], geometry: str, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        evaluate(frames, references, geometry, None)


def test_a_reference_without_depth_is_refused(frames: list[PosedFrame]) -> None:
    bare = [*frames[:2], frame(0.0, "bare.png", with_depth=False), *frames[3:]]
    with pytest.raises(InputError, match=r"bare\.png"):
        evaluate(bare, [2], "references", None)
    with pytest.raises(InputError, match="No frame"):
        evaluate([frame(0, "a", False), frame(1, "b", False)], [0], "all", None)


def test_a_target_without_depth_has_no_holes_to_measure(frames: list[PosedFrame]) -> None:
    bare = [*frames[:3], frame(0.5, "bare.png", with_depth=False)]
    target = evaluate(bare, [1], "references", None, ("splat",)).metrics
    entry = target["baselines"]["splat"]["targets"][2]
    assert entry["psnr"] > 5
    assert entry["psnr_holes"] is entry["coverage"] is entry["warp_error"] is None


def test_summary_says_which_aims_are_reached(frames: list[PosedFrame]) -> None:
    truth = {f.camera.position[1]: f.rgb for f in frames}
    runs = []
    for references in ([2], [0, 2, 4]):
        for predict in (lambda w, camera, s: truth[camera.position[1]],):
            run = evaluate(frames, references, "references", predict).metrics
            runs.append(run | {"dataset": "box"})
    one, three = summarise(runs)
    assert (one["references"], three["references"]) == (1, 3)
    assert all(aim["reached"] for group in (one, three) for aim in group["aims"])
    assert len(one["aims"]) >= 4
    bad = evaluate(frames, [2], "references", lambda *_: np.zeros_like(frames[0].rgb)).metrics
    missed = {
        aim["aim"] for aim in summarise([bad | {"dataset": "box"}])[0]["aims"] if not aim["reached"]
    }
    assert any("psnr above" in aim for aim in missed)
    assert any("gradient" in aim for aim in missed)
    noisy = np.random.default_rng(0).integers(0, 256, frames[0].rgb.shape, dtype=np.uint8)
    rough = evaluate(frames, [2], "references", lambda *_: noisy).metrics | {"dataset": "noise"}
    missed = {a["aim"] for a in summarise([runs[0], rough])[0]["aims"] if not a["reached"]}
    assert "gradient in holes over the truth's, highest scene" in missed
    assert "warp error over the truth's, highest scene" in missed


def test_contact_sheet_holds_every_picture(frames: list[PosedFrame]) -> None:
    rows = evaluate(frames, [2], "references", None, ("splat",)).pictures
    sheet = contact_sheet(rows, [{"splat": "12.3 dB"}])
    assert sheet.shape[0] > 4 * SIZE[1] and sheet.shape[1] > 3 * SIZE[0]
    assert (sheet == rows[0]["truth"][0, 0]).all(axis=-1).any()
    assert evenly(range(20), 4) == [0, 6, 13, 19]
