# SPDX-License-Identifier: GPL-3.0-or-later
"""How close a generated frame is to the truth, and how steady two of them are.

Frames are (H, W, 3) uint8 sRGB, masks (H, W) bool, depth (H, W) float32 z-depth with +inf = sky
and 0 = unknown. A figure that a mask leaves too few pixels for is None.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..shared.camera import Camera

PSNR_LIMIT = 100.0
"""dB given to identical pictures, so that means and JSON stay finite."""
FEWEST_PIXELS = 64
"""A mask with fewer pixels than this says nothing about a picture."""
DEPTH_TOLERANCE = 0.02
"""Relative difference up to which two depths are the same surface."""

FLAT = 2.5
"""Levels of luma between which a flat patch stays."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def psnr(frame: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float | None:
    """Peak signal to noise ratio in dB over all channels of the pixels in `mask`.

    frame, truth: (H, W, 3) uint8. mask: (H, W) bool; None where too few pixels are in it.
    """
    if mask is not None:
        if np.count_nonzero(mask) < FEWEST_PIXELS:
            return None
        frame, truth = frame[mask], truth[mask]
    error = float(np.mean((frame.astype(np.float64) - truth.astype(np.float64)) ** 2))
    return float(min(PSNR_LIMIT, 10 * np.log10(255.0**2 / max(error, 1e-12))))


def ssim(frame: np.ndarray, truth: np.ndarray) -> float | None:
    """Structural similarity of (H, W, 3) uint8 pictures, mean over channels and pixels.

    Wang, Bovik, Sheikh and Simoncelli 2004: Gaussian window of 11 x 11, sigma 1.5, K1 = 0.01,
    K2 = 0.03; windows that leave the picture are not counted.
    """
    if min(truth.shape[:2]) < 11:
        return None
    a, b = frame.astype(np.float64), truth.astype(np.float64)

    def window(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)[5:-5, 5:-5]

    mean_a, mean_b = window(a), window(b)
    var_a = window(a * a) - mean_a**2
    var_b = window(b * b) - mean_b**2
    covariance = window(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return float(similarity.mean())


def mean_gradient(frame: np.ndarray, mask: np.ndarray) -> float | None:
    """Mean gradient magnitude of the luma inside `mask`, levels a pixel.

    frame: (H, W, 3) uint8. mask: (H, W) bool.

    Forward differences; a pixel counts when its right and lower neighbours lie in the mask too,
    so that the mask's own border adds nothing.
    """
    inside = mask[:-1, :-1] & mask[:-1, 1:] & mask[1:, :-1]
    if np.count_nonzero(inside) < FEWEST_PIXELS:
        return None
    luma = frame.astype(np.float32) @ _LUMA
    dx = luma[:-1, 1:] - luma[:-1, :-1]
    dy = luma[1:, :-1] - luma[:-1, :-1]
    return float(np.hypot(dx, dy)[inside].mean(dtype=np.float64))


def reproject(
    camera: Camera, depth: np.ndarray, other: Camera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where `other` has the surfaces that `camera` has at `depth`.

    Gives u, v (H, W) float32 pixels in `other`, and z (H, W) float64 its z-depth there:
    +inf for sky (a direction: only the rotation counts), NaN when unknown or behind `other`.
    """
    sky = np.isposinf(depth)
    known = sky | (np.isfinite(depth) & (depth > 0))
    finite = np.where(sky | ~known, 0.0, depth).astype(np.float64)
    rays = camera.rays().astype(np.float64)
    world = np.where(sky[..., None], rays, camera.position + finite[..., None] * rays)
    local = world @ other.w2c[:3, :3].T
    local[~sky] += other.w2c[:3, 3]
    known &= local[..., 2] > 1e-6
    z = np.where(known, local[..., 2], 1.0)
    u = np.where(known, local[..., 0] / z * other.K[0, 0] + other.K[0, 2], -1.0)
    v = np.where(known, local[..., 1] / z * other.K[1, 1] + other.K[1, 2], -1.0)
    return (
        np.clip(u, -1e6, 1e6).astype(np.float32),
        np.clip(v, -1e6, 1e6).astype(np.float32),
        np.where(known, np.where(sky, np.inf, z), np.nan),
    )


def seen(
    camera: Camera,
    depth: np.ndarray,
    other: Camera,
    other_depth: np.ndarray,
    tolerance: float = DEPTH_TOLERANCE,
) -> np.ndarray:
    """(H, W) bool: which surfaces of `camera` the view `other` saw too, occlusion tested.

    The depth in `other` is compared as its inverse, which is linear across a plane: interpolated
    between the four nearest pixels, and with each of the four by itself at silhouettes.
    """
    u, v, z = reproject(camera, depth, other)
    inside = ~np.isnan(z) & (u >= 0) & (v >= 0) & (u <= other.width) & (v <= other.height)
    with np.errstate(divide="ignore"):
        inverse = np.where(other_depth > 0, 1 / other_depth.astype(np.float64), np.nan)
    x, y = u - 0.5, v - 0.5
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = x - x0, y - y0
    wanted = 1 / np.where(inside, z, 1.0)  # 0 for sky
    blended = np.zeros_like(wanted)
    match = np.zeros(depth.shape, bool)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        rows = np.clip(y0 + dy, 0, other.height - 1)
        columns = np.clip(x0 + dx, 0, other.width - 1)
        neighbour = inverse[rows, columns]
        match |= np.abs(neighbour - wanted) <= tolerance * wanted
        blended += (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * neighbour
    match |= np.abs(blended - wanted) <= tolerance * wanted
    return match & inside


def warp_error(
    frame: np.ndarray,
    following: np.ndarray,
    cameras: tuple[Camera, Camera],
    depths: tuple[np.ndarray, np.ndarray],
) -> float | None:
    """Mean absolute difference in [0, 1] between `frame` and `following` warped onto it.

    Pictures are (H, W, 3) uint8, depths (H, W) in metres along z.

    The warp follows the true depth of `frame`'s camera (bilinear); surfaces that the second view
    does not see, by its true depth, do not count. Sky moves by the rotation alone.
    """
    visible = seen(cameras[0], depths[0], cameras[1], depths[1], DEPTH_TOLERANCE / 2)
    if np.count_nonzero(visible) < FEWEST_PIXELS:
        return None
    u, v, _ = reproject(cameras[0], depths[0], cameras[1])
    warped = cv2.remap(
        following.astype(np.float32), u - 0.5, v - 0.5, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
    )
    return float(np.abs(warped - frame)[visible].mean() / 255)


def flat_patches(truth: np.ndarray) -> np.ndarray:
    """(H, W) bool: where a picture's luma hardly changes over 7 x 7 pixels, noise apart."""
    luma = cv2.GaussianBlur(truth.astype(np.float32) @ _LUMA, (5, 5), 1.0)
    kernel = np.ones((7, 7), np.uint8)
    return cv2.dilate(luma, kernel) - cv2.erode(luma, kernel) < FLAT


def grain(frame: np.ndarray, mask: np.ndarray) -> float | None:
    """Mean absolute difference of luma from the mean of 5 x 5 inside `mask`, levels of 255.

    frame: (H, W, 3) uint8. mask: (H, W) bool.
    """
    if np.count_nonzero(mask) < FEWEST_PIXELS:
        return None
    luma = frame.astype(np.float32) @ _LUMA
    smooth = cv2.blur(luma, (5, 5), borderType=cv2.BORDER_REPLICATE)
    return float(np.abs(luma - smooth)[mask].mean(dtype=np.float64))
