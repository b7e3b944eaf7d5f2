# SPDX-License-Identifier: GPL-3.0-or-later
"""The channels that each network is told, by name: where one stands is said here and nowhere else.

Shipped weights were trained on these orders: a channel that moves makes them worthless, so new ones
go to the end, with new weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

INF = float("inf")


@dataclass(frozen=True)
class Channel:
    """One named stretch of channels.

    low, high: its values' range. color: whether it changes with the light; such a colour is
    multiplied by what the channel named in `mask` says, if any. mirrored: whether its sign changes
    in a mirror. blank: its value when a model is told no colour; None = it carries none.
    """

    name: str
    width: int
    meaning: str
    low: float = 0.0
    high: float = 1.0
    color: bool = False
    mask: str | None = None
    mirrored: bool = False
    blank: float | None = None


class Layout:
    """Channels of one network, one after another. The tensors have them third from the end."""

    def __init__(self, *channels: Channel) -> None:
        self.channels = channels
        self.slices: dict[str, slice] = {}
        start = 0
        for channel in channels:
            if channel.name in self.slices:
                raise ValueError(f"two channels are called {channel.name}")
            self.slices[channel.name] = slice(start, start + channel.width)
            start += channel.width
        self.count = start

    def __getitem__(self, name: str) -> slice:
        return self.slices[name]

    def index(self, names: Iterable[str]) -> list[int]:
        """The numbers of all channels with these names."""
        return [i for name in names for i in range(*self.slices[name].indices(self.count))]

    def of(self, tensor: torch.Tensor, *names: str) -> torch.Tensor:
        """(..., C, H, W) -> (..., c, H, W): those of the names; a view for one name."""
        if len(names) == 1:
            return tensor[..., self.slices[names[0]], :, :]
        return tensor[..., self.index(names), :, :]

    def pack(self, **parts: torch.Tensor) -> torch.Tensor:
        """(C, H, W) of parts (c, H, W) or (H, W) by name. Raises ValueError when one is missing."""
        if parts.keys() != self.slices.keys():
            raise ValueError(f"the channels are {list(self.slices)}, not {list(parts)}")
        stacked = []
        for channel in self.channels:
            part = parts[channel.name]
            part = part[None] if part.ndim == 2 else part
            if len(part) != channel.width:
                raise ValueError(f"{channel.name} has {channel.width} channels, not {len(part)}")
            stacked.append(part)
        return torch.cat(stacked)

    def colors(self) -> list[Channel]:
        """Those that change with the light."""
        return [channel for channel in self.channels if channel.color]

    def mirrored(self) -> list[int]:
        """The numbers of those whose sign changes in a mirror."""
        return self.index(channel.name for channel in self.channels if channel.mirrored)

    def blank_colors(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy of (..., C, H, W) that tells no colour, only geometry."""
        result = tensor.clone()
        for channel in self.channels:
            if channel.blank is not None:
                self.of(result, channel.name).fill_(channel.blank)
        return result


def _color(name: str, meaning: str, mask: str | None = None, blank: float | None = None) -> Channel:
    return Channel(name, 3, meaning, -1.0, 1.0, color=True, mask=mask, blank=blank)


def _signed(name: str, meaning: str, high: float = 1.0, mirrored: bool = False) -> Channel:
    return Channel(name, 1, meaning, -high, high, mirrored=mirrored)


HINTS = Layout(
    _color("memory", "memory's colours, times how usable they are", "memory_weight", blank=0.0),
    Channel("memory_weight", 1, "how well memory saw the pixel", blank=0.0),
    _color("anchors", "the anchors' own colours", "anchors_colored", blank=0.0),
    Channel("anchors_colored", 1, "1 where anchors have a colour of their own", blank=0.0),
    Channel("coverage", 1, "how well anchors cover the pixel"),
    _signed("log_depth", "log of depth in world scales, over its largest; sky is 1"),
    Channel("known", 1, "1 where depth is no guess"),
    Channel("sky", 1, "1 where sky is known"),
    _color("base", "memory's colours, smoothly continued", blank=0.0),
    Channel("base_level", 1, "how far into a hole, octaves / 8", high=2.0, blank=1.0),
    Channel("noise", 2, "Gaussian noise locked to the surface", -INF, INF),
    _color("fill", "memory's colours, continued by alike surfaces", blank=0.0),
    Channel("fill_distance", 1, "how far the fill comes from", blank=1.0),
)
"""The frame model's hints, one value a pixel."""

MEMORY_IMAGE = Layout(
    _color("rgb", "the picture"),
    _signed("log_depth", "log of depth in world scales, over its largest; 0 = sky or unknown"),
    Channel("sky", 1, "part of it that is sky"),
)
"""A memory frame as the transformer sees it."""

_SEEN = (
    _color("seen", "mean colour of what is sure"),
    Channel("sure", 1, "how much of the cell is"),
    _color("base", "mean colour, smoothly continued"),
)

GUESSES = Layout(
    _color("nearest", "what is near and of one plane"),
    Channel("distance", 1, "how far the nearest comes from, 1 = far"),
    _color("surroundings", "the wider surroundings"),
    _color("plane", "the plane as a whole"),
    _color("sky_guess", "sky of like elevation", "has_sky"),
    Channel("has_sky", 1, "1 where memory saw any sky"),
)
"""Guesses of an unseen cell's colour by rule, one value a cell."""

COLOR_CELLS = Layout(
    *_SEEN,
    Channel("known", 1, "how much of the cell has a depth that is no guess"),
    Channel("solid", 1, "1 = a surface, 0 = sky"),
    _signed("log_depth", "log of depth in world scales, over its largest"),
    _signed("rise", "the ray's upward part"),
    _signed("height", "height above the camera, in world scales", 3.0),
    _signed("ray_right", "the ray along the camera's right", mirrored=True),
    _signed("ray_down", "the ray along the image's y"),
    _signed("normal_right", "the normal along the camera's right", mirrored=True),
    _signed("normal_up", "the normal along the world's up"),
    _signed("normal_forward", "the normal along the view"),
    *GUESSES.channels,
)
"""What the network that colours unseen cells is told of each."""

COMPLETION_CELLS = Layout(
    Channel("solid", 1, "1 = a surface whose depth is known"),
    Channel("sky", 1, "1 = known to be sky"),
    _signed("log_depth", "log of the smooth guess in world scales, over its largest"),
    Channel("inverse", 1, "inverse of known depth in world scales", high=4.0),
    Channel("image_x", 1, "the ray along the camera's right", -INF, INF, mirrored=True),
    Channel("image_y", 1, "the ray along the image's y", -INF, INF),
    Channel("rise", 1, "the ray's upward part for a unit of depth", -INF, INF),
    _signed("height", "known height above the camera, in world scales", 3.0),
    _signed("normal_right", "the normal along the camera's right; 0 = unknown", mirrored=True),
    _signed("normal_up", "the normal along the world's up"),
    _signed("normal_forward", "the normal along the view"),
    *_SEEN,
)
"""What the network that completes depth is told of each cell."""
