# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of a single picture: the embedded network, and larger ones where their weights are present.

Every estimator takes the picture with its camera, standing over the ground at z = 0, and returns
z-depth in metres scaled so that the visible ground lies there. Nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..offline import hub_offline
from ..shared.camera import Camera, about_vertical
from ..shared.errors import InputError, ModelError
from ..shared.frame import SKY
from .closer_look import LEVELS, looked_closer
from .config_file import read_config
from .depth_maps import held_to_room, upsample_guided, without_islands
from .depth_net import LOG_FAR, STRIDE, DepthNet, load_depth_net
from .standing import Standing, depth_standing, standing_things
from .uprights import depth_stood_up
from .wall_feet import stood_on_ground

EMBEDDED = Path(__file__).parent / "embedded_depth"
EMBEDDED_PIXELS = 12_288
"""Pixels the embedded network was trained at; pictures are brought to about as many."""
MODELS = {
    "moge-2": "Ruicheng/moge-2-vitl-normal",
    "depth-anything": "depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf",
    "depth-pro": "apple/DepthPro-hf",
}
"""Hub repositories whose weights are used when they are present."""
_PLAIN = {"local_files_only": True, "trust_remote_code": False}
"""A model's folder may bring classes of its own: nobody is asked whether they may run."""


@dataclass(frozen=True, eq=False)
class DepthGuess:
    """depth: (H, W) float32 z-depth in metres, +inf = sky. ground: (H, W) float32 in [0, 1].
    standing: what was found to stand on the ground and stands there, if that was looked for."""

    depth: np.ndarray
    ground: np.ndarray
    estimator: str
    standing: Standing | None = None


class DepthEstimator(Protocol):
    """What `load_depth` returns. coarse: whether it bends what is straight."""

    name: str
    coarse: bool

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        """rgb: (H, W, 3) uint8 of the camera's size; the camera stands at z > 0."""


def load_depth(name: str = "auto", device: str = "cpu", thorough: bool = False) -> DepthEstimator:
    """The estimator called `name`: embedded, moge-2, depth-anything, depth-pro or a local folder.

    "auto" takes the best whose weights and library are present, at worst the embedded one.
    thorough: whether the embedded one takes its time, so that what is upright stands upright.
    Raises ModelError saying what to install or download.
    """
    if name == "embedded":
        return EmbeddedDepth(load_depth_net(EMBEDDED), thorough)
    if name == "auto":
        for candidate in MODELS:
            try:
                return load_depth(candidate, device)
            except ModelError:
                continue
        return load_depth("embedded", device, thorough)
    if name == "moge-2":
        return MogeDepth(MODELS[name], device)
    if name in MODELS or Path(name).is_dir():
        return TransformersDepth(name, MODELS.get(name, name), device)
    raise ModelError(
        f"There is no depth estimator '{name}'; choose auto, embedded, {', '.join(MODELS)} or the "
        "folder of a model."
    )


def check_camera(rgb: np.ndarray, camera: Camera) -> None:
    """Raises InputError when (H, W, 3) picture and camera don't fit, or that is underground."""
    if rgb.shape[:2] != (camera.height, camera.width):
        raise InputError(
            f"The picture has {rgb.shape[1]} x {rgb.shape[0]} pixels but its camera "
            f"{camera.width} x {camera.height}; resize one to the other."
        )
    if camera.position[2] <= 0:
        raise InputError("The camera must stand above the ground at z = 0; raise its height.")


def level_directions(camera: Camera) -> np.ndarray:
    """(H, W, 3) float32 unit rays with z up and the camera's heading turned to +y."""
    rays = camera.rays()
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    forward = camera.c2w[:3, 2]
    heading = math.atan2(forward[0], forward[1])
    return rays @ about_vertical(heading).astype(np.float32).T


class EmbeddedDepth:
    """What ships with WorldFM: a small network, held to the ground plane."""

    name, coarse = "embedded", True

    def __init__(self, net: DepthNet, thorough: bool = False) -> None:
        """thorough: whether parts of pictures are looked at too, so that small things stand."""
        self.net, self.thorough = net, thorough

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        """Of (H, W, 3) uint8; see `DepthEstimator`."""
        check_camera(rgb, camera)
        width, height = network_size(camera.width, camera.height)
        small = camera.resized(width, height)
        image = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        forward = camera.c2w[:3, 2]
        maps, box = held_to_room(
            without_islands(_sure(self._look(image, small))),
            level_directions(small),
            math.atan2(forward[0], forward[1]),
            lambda box: stood_on_ground(box, rgb, camera),
        )
        maps = upsample_guided(maps, image, rgb)
        if box is not None:
            maps[..., 0] += box.log_distance(level_directions(camera))
        guess = _to_metres(maps, camera)
        if not self.thorough:
            return guess
        if box is None:  # of furniture one sees the top as well
            standing = self._standing(rgb, camera)
            depth = depth_standing(guess.depth, standing, camera)
            guess = replace(guess, depth=depth, standing=standing)
        lines = None if guess.standing is None else guess.standing.lines
        return replace(guess, depth=depth_stood_up(guess.depth, rgb, camera, lines))

    def _standing(self, rgb: np.ndarray, camera: Camera) -> Standing:
        """What stands on the ground, by a closer look at parts of the picture."""
        width, height = (round(LEVELS[-1] * n) for n in network_size(camera.width, camera.height))
        small = camera.resized(width, height)
        image = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        closer = _sure(looked_closer(image, small, self._look(image, small), self._look))
        seen = _to_metres(upsample_guided(closer, image, rgb), camera)
        return standing_things(seen.depth, seen.ground, camera)

    def _look(self, image: np.ndarray, camera: Camera) -> np.ndarray:
        """(H, W, 3) float32 of a picture (H, W, 3) uint8 that the network sees at its own size: log
        distance in camera heights, logits of ground and of sky."""
        width, height = network_size(camera.width, camera.height)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        directions = level_directions(camera.resized(width, height))
        maps = self._raw(
            torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255,
            torch.from_numpy(directions).permute(2, 0, 1)[None],
        )
        size = (camera.width, camera.height)
        return cv2.resize(maps.permute(1, 2, 0).numpy(), size, interpolation=cv2.INTER_LINEAR)

    def predict(self, image: Tensor, directions: Tensor) -> np.ndarray:
        """(H, W, 3) float32: log distance in camera heights, probabilities of ground and of sky.

        image: (1, 3, H, W) in [0, 1]. directions: (1, 3, H, W) unit, level frame. The mean of what
        the network says of the picture and of its mirror image.
        """
        return _sure(self._raw(image, directions).permute(1, 2, 0).numpy())

    def _raw(self, image: Tensor, directions: Tensor) -> Tensor:
        """As `predict`, but (3, H, W) and with logits in place of probabilities."""
        mirror = torch.tensor([-1.0, 1.0, 1.0]).view(1, 3, 1, 1)
        images = torch.cat([image, image.flip(-1)]) * 2 - 1
        with torch.inference_mode():
            out = self.net(images, torch.cat([directions, directions.flip(-1) * mirror]))
            return 0.5 * (out[:1] + out[1:].flip(-1))[0]


def _sure(maps: np.ndarray) -> np.ndarray:
    """(H, W, 3) with probabilities for the logits of ground and sky."""
    return np.concatenate([maps[..., :1], 1 / (1 + np.exp(-maps[..., 1:]))], axis=2)


def network_size(width: int, height: int) -> tuple[int, int]:
    """The size at which the embedded network sees a picture of `width` x `height`."""
    scale = math.sqrt(EMBEDDED_PIXELS / (width * height))
    wide, high = (max(3, round(side * scale / STRIDE)) * STRIDE for side in (width, height))
    return wide, high


def _to_metres(maps: np.ndarray, camera: Camera) -> DepthGuess:
    """maps: (H, W, 3) log distance in camera heights, ground and sky probabilities."""
    above = float(camera.position[2])
    rays = camera.rays()
    per_depth = np.linalg.norm(rays, axis=2)
    down = np.maximum(-rays[..., 2], 1e-6)
    on_plane = np.minimum(above / down, above * math.exp(LOG_FAR) / per_depth)
    depth = above * np.exp(maps[..., 0]) / per_depth
    ground = np.where(rays[..., 2] < -1e-3, np.clip(maps[..., 1], 0, 1), 0.0)
    share = np.clip((ground - 0.6) / 0.3, 0, 1)
    depth = np.exp((1 - share) * np.log(depth) + share * np.log(on_plane))
    depth = np.where(rays[..., 2] < -1e-3, np.minimum(depth, on_plane), depth)
    depth = np.where(maps[..., 2] > 0.5, SKY, depth)
    return DepthGuess(depth.astype(np.float32), ground.astype(np.float32), "embedded")


# ---------------------------------------------------------------------------- larger models


class MogeDepth:
    """MoGe-2 (package dlr-moge): metric geometry, then scaled to the ground plane."""

    name, coarse = "moge-2", False

    def __init__(self, repository: str, device: str) -> None:
        if importlib.util.find_spec("moge") is None:
            raise ModelError("MoGe-2 needs the package dlr-moge; install it or use 'embedded'.")
        from huggingface_hub import try_to_load_from_cache

        try:
            from moge.model.v2 import MoGeModel
        except ImportError as error:
            raise ModelError(
                f"MoGe-2's package needs '{error.name}', which is not here; install it too."
            ) from error
        weights = try_to_load_from_cache(repository, "model.pt")
        if not isinstance(weights, str):
            raise ModelError(
                f"MoGe-2's weights are not here; run 'hf download {repository} model.pt' first."
            )
        try:
            with hub_offline():
                self.model = MoGeModel.from_pretrained(weights).to(device).eval()
        except (OSError, EOFError, KeyError, TypeError, RuntimeError, UnpicklingError) as error:
            raise ModelError(
                f"MoGe-2's weights are damaged; delete '{weights}' and download them again."
            ) from error
        self.device = device

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        """Of (H, W, 3) uint8; see `DepthEstimator`."""
        check_camera(rgb, camera)
        tensor = torch.from_numpy(rgb).to(self.device).permute(2, 0, 1).float() / 255
        fov = 2 * math.degrees(math.atan(camera.width / 2 / camera.K[0, 0]))
        with torch.inference_mode():  # half floats are slow, or missing, on processors
            out = self.model.infer(tensor, fov_x=fov, use_fp16=self.device != "cpu")
        depth = out["depth"].float().cpu().numpy()  # infinite where its mask says sky
        solid = np.isfinite(depth) & (depth > 0)
        return scaled_to_ground(np.where(solid, depth, SKY), camera, self.name)


class TransformersDepth:
    """Depth Anything, Depth Pro and their like, through transformers' automatic classes."""

    coarse = False

    def __init__(self, name: str, source: str, device: str) -> None:
        self.name = name
        if importlib.util.find_spec("transformers") is None:
            raise ModelError(f"'{name}' needs the package transformers; install it first.")
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        if Path(source).is_dir():
            read_config(Path(source), "The depth model", "choose another")
        try:
            with hub_offline():
                processor = AutoImageProcessor.from_pretrained(source, **_PLAIN)
                model = AutoModelForDepthEstimation.from_pretrained(
                    source, use_safetensors=True, **_PLAIN
                )
        except Exception as error:  # the library raises whatever its classes meet in a config
            if name == "depth-pro" and importlib.util.find_spec("torchvision") is None:
                raise ModelError(
                    "'depth-pro' needs the package torchvision; install it."
                ) from error
            raise ModelError(
                f"'{name}' is not here or damaged; run 'hf download {source}' first."
                if source != name
                else f"The folder '{name}' holds no depth model that can be read; choose another."
            ) from error
        self.processor, self.model = processor, model.to(device).eval()
        self.device = device

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        """Of (H, W, 3) uint8; see `DepthEstimator`."""
        check_camera(rgb, camera)
        inputs = self.processor(images=rgb, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            raw: Any = self.model(**inputs).predicted_depth
        raw = raw.reshape(1, 1, *raw.shape[-2:]).float()
        value = F.interpolate(raw, rgb.shape[:2], mode="bilinear")[0, 0].cpu().numpy()
        if self._gives() == "depth":
            return scaled_to_ground(np.where(value > 1e-3, value, SKY), camera, self.name)
        if self._gives() == "inverse":  # of a camera of one focal length; the ground gives scale
            far = float(camera.position[2]) * math.exp(LOG_FAR)
            depth = np.where(value > 1e-4, 1 / np.maximum(value, 1e-4), SKY)
            guess = scaled_to_ground(depth, camera, self.name)
            return replace(guess, depth=np.where(guess.depth < far, guess.depth, SKY))
        return relative_to_ground(value, rgb, camera, self.name)

    def _gives(self) -> str:
        """What the network's raw output is: depth, inverse depth, or that up to a shift."""
        config = self.model.config
        if getattr(config, "model_type", "") == "depth_pro":
            return "inverse"
        metric = getattr(config, "depth_estimation_type", "relative") == "metric"
        return "depth" if metric else "relative"


def scaled_to_ground(depth: np.ndarray, camera: Camera, name: str) -> DepthGuess:
    """Multiplies a depth map (H, W) so that the ground it shows lies at z = 0.

    The ground's height is the strongest level among the points well below the horizon that a
    downward-facing surface could have; without one the depth stays as it is.
    """
    rays = camera.rays()
    solid = np.isfinite(depth) & (rays[..., 2] < -0.05)
    drop = np.where(solid, -rays[..., 2] * np.where(solid, depth, 0), 0)[solid]
    scale = 1.0
    if drop.size > 0.02 * depth.size:
        low, high = np.percentile(drop, [5, 99])
        if high > 1e-6:
            counts, edges = np.histogram(drop, bins=80, range=(max(low, 0.05 * high), high * 1.02))
            # of the strong levels the lowest one: a table is a level too
            strong = np.flatnonzero(counts > 0.5 * counts.max())[-1]
            scale = float(camera.position[2] / (0.5 * (edges[strong] + edges[strong + 1])))
    depth = np.where(np.isfinite(depth), depth * scale, SKY).astype(np.float32)
    height = camera.position[2] + rays[..., 2] * np.where(np.isfinite(depth), depth, 0)
    ground = np.isfinite(depth) & (np.abs(height) < 0.06 * camera.position[2])
    return DepthGuess(depth, ground.astype(np.float32), name)


def relative_to_ground(
    disparity: np.ndarray, rgb: np.ndarray, camera: Camera, name: str
) -> DepthGuess:
    """Inverse depth (H, W) up to scale and shift, fitted to what the embedded network expects.

    rgb: (H, W, 3) uint8, the picture that it was estimated of.

    Iteratively reweighted least squares on inverse depth, so that outliers have little say.
    """
    expected = load_depth("embedded").estimate(rgb, camera)
    solid = np.isfinite(expected.depth)
    if solid.sum() < 16:
        return expected
    x, y = disparity[solid].astype(np.float64), 1.0 / expected.depth[solid].astype(np.float64)
    weight = np.ones_like(x)
    scale, shift = 0.0, float(np.median(y))
    for _ in range(10):
        A = np.stack([x, np.ones_like(x)], axis=1)
        scale, shift = np.linalg.lstsq(A * weight[:, None], y * weight, rcond=None)[0]
        residual = np.abs(scale * x + shift - y)
        weight = 1 / np.sqrt(1 + (residual / (np.median(residual) + 1e-9)) ** 2)
    if scale <= 0:
        return expected
    inverse = scale * disparity + shift
    far = float(camera.position[2]) * math.exp(LOG_FAR)
    depth = np.where(inverse > 1 / far, 1 / np.maximum(inverse, 1 / far), SKY)
    depth = np.where(np.isinf(expected.depth) & (disparity <= np.median(x)), SKY, depth)
    return DepthGuess(depth.astype(np.float32), expected.ground, name)
