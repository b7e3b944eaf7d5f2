# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory frames as the frame model's transformer sees them: small images, encoded once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..conditioning.channels import MEMORY_IMAGE
from ..conditioning.unseen.depth_units import MAX_LOG_DEPTH
from ..shared.camera import Camera
from ..shared.frame import MemoryFrame
from .frame_model import TOKEN_STRIDE, FrameModel, MemoryTokens
from .prope import encode_view

MEMORY_SIDE = 128
"""Side in pixels of a square memory frame in the transformer; others get the same area."""


def memory_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in whole tokens, the aspect kept as nearly as tokens allow."""
    aspect = math.sqrt(width / height)
    wide, high = (
        max(TOKEN_STRIDE, round(side / TOKEN_STRIDE) * TOKEN_STRIDE)
        for side in (MEMORY_SIDE * aspect, MEMORY_SIDE / aspect)
    )
    return wide, high


def memory_image(frame: MemoryFrame, scale: float) -> torch.Tensor:
    """(5, h, w) float32 of `memory_size`: rgb in [-1, 1], log depth, sky.

    An unknown depth is 0, that of a surface at the world's scale.
    """
    width, height = memory_size(frame.camera.width, frame.camera.height)
    rgb = torch.from_numpy(frame.rgb).permute(2, 0, 1).float() / 127.5 - 1
    depth = torch.zeros(frame.rgb.shape[:2])
    if frame.depth is not None:
        depth = torch.from_numpy(frame.depth)
    sky = torch.isinf(depth).float()
    surface = ((depth > 0) & (sky == 0)).float()
    log_depth = torch.log(torch.where(surface > 0, depth, scale) / scale)
    log_depth = log_depth.clamp(-MAX_LOG_DEPTH, MAX_LOG_DEPTH) / MAX_LOG_DEPTH
    stacked = MEMORY_IMAGE.pack(rgb=rgb, log_depth=log_depth * surface, sky=sky)
    return F.interpolate(stacked[None], (height, width), mode="area")[0]


def memory_camera(frame: MemoryFrame) -> Camera:
    """The frame's camera at `memory_size`."""
    return frame.camera.resized(*memory_size(frame.camera.width, frame.camera.height))


def memory_tokens(model: FrameModel, frame: MemoryFrame, scale: float) -> MemoryTokens:
    """The frame's keys and values in every layer. scale: see `world_scale`."""
    camera = memory_camera(frame)
    grid = camera.height // TOKEN_STRIDE, camera.width // TOKEN_STRIDE
    view = encode_view(camera, grid, scale, model.head_dim).to(model.device, model.dtype)
    image = memory_image(frame, scale)[None].to(model.device, model.dtype)
    return model.encode_memory(image, view)
