# SPDX-License-Identifier: GPL-3.0-or-later
"""The geometric part of `reference.conformance`: what is rendered, lifted, chosen and prepared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..models.preprocess import fit_picture, fit_render
from .cases import Arrays, Case, byte_case, read_arrays, relative_error
from .panorama import (
    CONDITION_FOCAL,
    WORLD_FLIP,
    clean_depth,
    condition_angles,
    condition_image,
    condition_K,
    lift_panorama,
    shrink_panorama,
    view_basis,
    view_c2w,
)
from .points import ReferencePoints, inverse, render_reference
from .views import (
    ReferenceViews,
    SelectionSettings,
    projection,
    select_reference_view,
)

TOLERANCE = 1e-6
"""Of points, cameras and prepared pictures."""
RESIZED_TOLERANCE = 1e-5
PIXELS = "share of pixels that differ"
AXIS_FLIP_PIXELS = 0.003
UNMASKED_PIXELS = 0.01
"""Where the vectors do not say which pixels float rounding may decide."""
EDGE_BYTES = 0.005
"""Share of a picture's bytes that may be off by one, where rounding edges are not marked."""


def preprocess(path: Path) -> Iterator[Case]:
    """Both ways in which pictures are made to fit the model, and the plain resize."""
    arrays = read_arrays(path)
    part = "geometry/preprocess"
    for group in sorted({key.split("/")[0] for key in arrays if key.endswith("/target_hw")}):
        rgb, size = arrays[f"{group}/u8"], [int(side) for side in arrays[f"{group}/target_hw"]]
        render = fit_render(torch.from_numpy(rgb), *size)[0]
        picture = fit_picture(rgb, *size).transpose(2, 0, 1) / 127.5 - 1.0
        yield from _compare(
            part,
            {f"{group}/tensor": render, f"{group}/pil_tensor": picture},
            arrays,
            TOLERANCE,
        )
    if "bilinear_resize/in_u8" in arrays:
        reference = arrays["bilinear_resize/out_u8"]
        wanted = reference.shape[1], reference.shape[0]
        image = Image.fromarray(arrays["bilinear_resize/in_u8"])
        ours = np.asarray(image.resize(wanted, Image.Resampling.BILINEAR))
        yield byte_case(part, "bilinear_resize", ours, reference, allowed=0)


# points ------------------------------------------------------------------------------------------


def point_renderer(path: Path) -> Iterator[Case]:
    """Every scene in both modes and precisions, compared where ties and rounding decide nothing."""
    arrays = read_arrays(path)
    for scene in sorted({key.split("/")[0] for key in arrays}):
        case = _group(arrays, scene)
        size = int(case["size_wh"][0]), int(case["size_wh"][1])
        for mode in sorted({key.split("/")[0] for key in case if key.endswith("/rgb")}):
            points = _points(case, half=mode.endswith("fp16"))
            shown = [
                render_reference(points, case["K"], inverse(c2w), size, mode.startswith("softmin"))
                for c2w in case["c2w"]
            ]
            masked = case[f"{mode}/tie"] | case[f"{mode}/ambiguous"]
            colors, depths = (np.stack(images) for images in zip(*shown, strict=True))
            share = _differing(
                (colors, depths), (case[f"{mode}/rgb"], case[f"{mode}/depth"]), masked
            )
            yield Case("geometry/point_renderer", f"{scene}/{mode}", share, 0.0, PIXELS)
        if any(key.startswith("opt_") for key in case):
            yield from _render_options(scene, case, size)


def _render_options(scene: str, case: Arrays, size: tuple[int, int]) -> Iterator[Case]:
    """Ranges of points, w2c given, fewer points, flipped axes: of the second camera, float32."""
    w2c = inverse(case["c2w"][1])
    points = _points(case, half=False)
    masked = case["fast_fp32/tie"][1] | case["fast_fp32/ambiguous"][1]
    runs: dict[str, tuple[ReferencePoints, np.ndarray, float]] = {
        "opt_w2c": (points, w2c, 0.0),
        "opt_axisflip": (points, WORLD_FLIP @ w2c, AXIS_FLIP_PIXELS),
    }
    if "opt_ranges" in case:
        ranges = [(int(start), int(stop)) for start, stop in case["opt_ranges"]]
        runs["opt_ranges"] = points.ranges(ranges), w2c, 0.0
    for key in case:
        if key.startswith("opt_max") and key.endswith("_rgb"):
            most = int(key.removeprefix("opt_max").removesuffix("_rgb"))
            runs[f"opt_max{most}"] = _points(case, half=False, most=most), w2c, 0.0
    for name, (chosen, camera, tolerance) in runs.items():
        if f"{name}_rgb" in case:
            ours = render_reference(chosen, case["K"], camera, size)
            share = _differing(ours, (case[f"{name}_rgb"], case[f"{name}_depth"]), masked)
            yield Case("geometry/point_renderer", f"{scene}/{name}", share, tolerance, PIXELS)


def _points(case: Arrays, half: bool, most: int | None = None) -> ReferencePoints:
    return ReferencePoints.of(case["points_xyz"], case["points_rgb_u8"], half, most)


def _differing(
    ours: tuple[np.ndarray, np.ndarray],
    reference: tuple[np.ndarray, np.ndarray],
    masked: np.ndarray,
) -> float:
    """Share of unmasked pixels whose colour differs, or whose depth does by more than 1e-6."""
    colour = (ours[0] != reference[0]).any(axis=-1)
    depth = np.abs(ours[1] - reference[1]) > 1e-6 * np.abs(reference[1])
    return float(((colour | depth) & ~masked).sum() / max((~masked).sum(), 1))


# panorama ----------------------------------------------------------------------------------------


def panorama(path: Path) -> Iterator[Case]:
    """Points, the views' cameras and pictures, depth clean-up and the whole post-processing."""
    arrays = read_arrays(path)
    part = "geometry/panorama"
    rgb = arrays["pano_bgr"][..., ::-1]
    xyz, colours = lift_panorama(rgb, arrays["depth"])
    angles = condition_angles()
    cameras = np.stack([view_c2w(*view) for view in angles])
    height, width = arrays["cond_images_rgb"].shape[1:3]
    K = arrays["cond_K"][0]  # the focal length is a setting that the file gives nowhere else
    centred = np.array([[K[0, 0], 0, width / 2], [0, K[0, 0], height / 2], [0, 0, 1.0]])
    ours = {
        "ply_xyz": xyz,
        "ply_rgb": colours,
        "views_yaw_pitch": angles,
        "basis_r_u_f": np.stack([view_basis(*view) for view in angles]),
        "c2w_rows": cameras,
        "cond_c2w": cameras,
        "cond_K": np.stack([centred] * len(angles)),
    }
    if "extra_yaw_pitch" in arrays:
        extra = [view_c2w(*view) for view in arrays["extra_yaw_pitch"]]
        ours["extra_c2w_rows"] = np.stack(extra)
    yield from _compare(part, ours, arrays, TOLERANCE)
    pictures = np.stack([condition_image(rgb, K, (width, height), *view) for view in angles])
    yield _edges(part, "cond_images_rgb", pictures, arrays, arrays.get("cond_images_sensitive"))
    if "nonsquare_rgb" in arrays:
        width, height, fx, fy, cx, cy = arrays["nonsquare_intr_w_h_fx_fy_cx_cy"]
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        pictures = np.stack(
            [
                condition_image(rgb, K, (int(width), int(height)), *view)
                for view in arrays["extra_yaw_pitch"]
            ]
        )
        yield _edges(part, "nonsquare_rgb", pictures, arrays)
    if "prep_depth_raw" in arrays:
        yield from _post_processing(part, arrays, angles)


def _post_processing(part: str, arrays: Arrays, angles: np.ndarray) -> Iterator[Case]:
    raw, cleaned = arrays["prep_depth_raw"], arrays["prep_depth_out"]
    ours = {"prep_depth_out": clean_depth(raw, cleaned.shape[1], cleaned.shape[0])}
    if "post_pano_in" in arrays:
        height, width = arrays["post_depth"].shape
        shrunk = shrink_panorama(arrays["post_pano_in"], width, height)
        depth = clean_depth(raw, width, height)
        xyz, colours = lift_panorama(shrunk[..., ::-1], depth)
        ours |= {"post_pano": shrunk, "post_depth": depth, "post_xyz": xyz, "post_rgb": colours}
        if "post_cond" in arrays:
            yield _post_views(part, shrunk[..., ::-1], arrays, angles)
    yield from _compare(part, ours, arrays, RESIZED_TOLERANCE)


def _post_views(part: str, rgb: np.ndarray, arrays: Arrays, angles: np.ndarray) -> Case:
    """The views of the post-processed panorama, at the focal length that they were made with.

    The vectors do not give it; it is what fits the first views best: a whole number of pixels, or
    else a hundredth near it.
    """
    reference = arrays["post_cond"]
    size = reference.shape[1]

    def views(focal: float, count: int) -> np.ndarray:
        K = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
        return np.stack([condition_image(rgb, K, (size, size), *view) for view in angles[:count]])

    def misfit(focal: float) -> float:
        return float(np.abs(views(focal, 2).astype(np.int16) - reference[:2]).sum())

    focal = min([*range(1, 4 * size), CONDITION_FOCAL, condition_K(size)[0, 0]], key=misfit)
    focal = min([focal, *np.arange(focal - 1, focal + 1, 0.01)], key=misfit)
    return _edges(part, "post_cond", views(focal, len(angles)), arrays)


def _edges(
    part: str, name: str, ours: np.ndarray, arrays: Arrays, sensitive: np.ndarray | None = None
) -> Case:
    """Bytes that differ, where the vectors do not mark them as lying on a rounding edge."""
    reference = arrays[name]
    if sensitive is not None and ours.shape == reference.shape:
        on_edge = sensitive & (np.abs(ours.astype(np.int16) - reference) <= 1)
        return byte_case(part, name, np.where(on_edge, reference, ours), reference, allowed=0)
    return byte_case(part, name, ours, reference, allowed=int(EDGE_BYTES * reference.size))


# choice of views ---------------------------------------------------------------------------------


def condition_select(path: Path) -> Iterator[Case]:
    """The chosen view, every view's hits and the sample count, for each set of settings."""
    arrays = read_arrays(path)
    part = "geometry/condition_select"
    settings = json.loads(str(arrays["settings_json"]))
    scale = tuple(arrays["render_size"] / arrays["cond_size"])
    projections = np.stack(
        [
            projection(K, c2w, scale)
            for K, c2w in zip(arrays["cond_K"], arrays["cond_c2w"], strict=True)
        ]
    )
    for precision in sorted({key.split("/")[0] for key in arrays if key.endswith("/P_views")}):
        case = _group(arrays, precision)
        centres = arrays["cond_c2w"][:, :3, 3]
        yield from _compare(
            part, {"P_views": projections, "C_views": centres}, case, TOLERANCE, f"{precision}/"
        )
        yield from _view_depths(part, precision, arrays, case)
        for name in sorted({key.split("/")[0] for key in case if "/best_hits" in key}):
            chosen = SelectionSettings(**settings[name])
            yield from _selections(part, f"{precision}/{name}", arrays, case, name, chosen)


def _view_depths(part: str, precision: str, arrays: Arrays, case: Arrays) -> Iterator[Case]:
    """Depths of views and targets: with the unscaled K as there, and with a scaled one."""
    if "pano_bgr" not in arrays:
        return
    xyz, rgb = lift_panorama(arrays["pano_bgr"][..., ::-1], arrays["depth"])
    points = ReferencePoints.of(xyz, rgb, half=precision == "fp16")
    width, height = (int(side) for side in arrays["render_size"])
    size = width, height
    scale = np.diag([*(arrays["render_size"] / arrays["cond_size"]), 1.0])
    views, targets = arrays["cond_c2w"], arrays["c2w_cur"]
    for name, matrices, cameras in (
        ("depth_views", arrays["cond_K"], views),
        ("depth_views_if_K_were_scaled", scale @ arrays["cond_K"], views),
        ("depth_cur", [arrays["K_cur"]] * len(targets), targets),
    ):
        if name in case:
            pairs = zip(matrices, cameras, strict=True)
            ours = [render_reference(points, K, inverse(c2w), size)[1] for K, c2w in pairs]
            close = np.isclose(np.stack(ours), case[name], rtol=1e-5, atol=0)
            share = 1.0 - float(close.mean())
            yield Case(part, f"{precision}/{name}", share, UNMASKED_PIXELS, PIXELS)


def _selections(
    part: str, label: str, arrays: Arrays, case: Arrays, name: str, settings: SelectionSettings
) -> Iterator[Case]:
    for suffix in ("", "_if_K_were_scaled"):
        expected = case.get(f"{name}/best_hits_samples{suffix}")
        depths = case.get(f"depth_views{suffix}")
        if expected is None or depths is None:
            continue
        views = ReferenceViews(
            *(torch.from_numpy(a) for a in (case["P_views"], depths, case["C_views"]))
        )
        wrong = 0
        for i, target in enumerate(case["depth_cur"]):
            best, hits, samples = select_reference_view(
                torch.from_numpy(target), arrays["K_cur"], arrays["c2w_cur"][i], views, settings
            )
            wrong += samples != expected[i][2]
            if suffix:  # hits and margins are given for the reference's own depths only
                wrong += int(hits[best]) != expected[i][1]
                continue
            wrong += not np.array_equal(hits.numpy(), case[f"{name}/hits_per_view"][i])
            # a tie, or nearly one, is decided by rounding
            wrong += case[f"{name}/margin"][i] > 1 and best != expected[i][0]
        yield Case(part, f"{label}{suffix}", float(wrong), 0.0, "answers that differ")


# -------------------------------------------------------------------------------------------------


def _group(arrays: Arrays, name: str) -> Arrays:
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _compare(
    part: str,
    ours: Mapping[str, Tensor | np.ndarray],
    arrays: Arrays,
    tolerance: float,
    label: str = "",
) -> Iterator[Case]:
    for name, value in ours.items():
        if name in arrays:
            error = relative_error(value, arrays[name])
            yield Case(part, f"{label}{name}", error, tolerance)


GEOMETRY: dict[str, Callable[[Path], Iterator[Case]]] = {
    "point_renderer": point_renderer,
    "panorama": panorama,
    "condition_select": condition_select,
    "preprocess": preprocess,
}
"""Part -> what runs it from its file."""
