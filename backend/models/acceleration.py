# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a loaded model run faster or smaller without changing what it computes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .attention import use_attention
from .autoencoder import Autoencoder
from .official_transformer import OfficialTransformer
from .run_options import RunOptions

FP8 = torch.float8_e4m3fn
_FP8_MAX = torch.finfo(FP8).max


def accelerate(
    model: OfficialTransformer, vae: Autoencoder, device: torch.device, options: RunOptions
) -> None:
    """Move both to `device` and apply `options` (see `RunOptions.decided`)."""
    use_attention(options.attention)
    if options.fp8:
        quantize_blocks(model)
    vae.vae.to(device)
    if device.type == "cuda":
        vae.use_products()
    vae.save_memory(options.slicing, options.tiling)
    if options.offload:
        model.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )
    else:
        model.to(device)
    if options.compile:
        from torch._dynamo import config as compiler  # takes a second, so only here

        # a fault of the compiler (or of its cache on disk) is logged and costs speed, not the frame
        compiler.suppress_errors = True
        model.compile_repeated_blocks(dynamic=False)
        vae.vae.encoder.compile(dynamic=False)
        vae.vae.decoder.compile(dynamic=False)


class Fp8Linear(nn.Module):
    """A linear layer whose matrix is stored in float8 with one scale per output.

    The product is taken in the input's type, so only the weights are rounded. They are scaled
    before it: float16 would not hold the product of what 8 bits hold.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        scale = weight.abs().amax(dim=1).clamp(min=1e-12) / _FP8_MAX
        self.register_buffer("weight", (weight / scale[:, None]).to(FP8))
        self.register_buffer("scale", scale[:, None])
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), in the dtype of `x`."""
        return linear(x, (self.weight.float() * self.scale).to(x.dtype), self.bias)


def quantize_blocks(model: OfficialTransformer) -> None:
    """Replace the four matrices of every block by `Fp8Linear`."""
    block: Any
    for block in model.blocks:
        block.qkv, block.proj = Fp8Linear(block.qkv), Fp8Linear(block.proj)
        block.mlp[0], block.mlp[2] = Fp8Linear(block.mlp[0]), Fp8Linear(block.mlp[2])


Recording = tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]
"""A graph, where its inputs go and where its output appears."""


class Graphed:
    """`function` recorded as a CUDA graph, one per combination of input shapes.

    function: tensors -> one tensor, all on one CUDA device, the same work for the same shapes.
    The returned tensor may be overwritten by the next call of this or another recorded function,
    for all work in the same memory: copy what must stay. Graphs of the `MOST_SHAPES` shapes that
    were used last are kept.
    """

    WARM_UP_CALLS = 3
    MOST_SHAPES = 4

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function
        self._recorded: OrderedDict[tuple, Recording] = OrderedDict()

    def __call__(self, *inputs: Tensor) -> Tensor:
        key = tuple((tuple(x.shape), x.dtype) for x in inputs)
        if key not in self._recorded:
            while len(self._recorded) >= self.MOST_SHAPES:
                self._recorded.popitem(last=False)
            self._recorded[key] = self._record(inputs)
        self._recorded.move_to_end(key)
        graph, places, output = self._recorded[key]
        for place, value in zip(places, inputs, strict=True):
            place.copy_(value)
        with torch.cuda.device(output.device):
            graph.replay()
        return output

    def _record(self, inputs: tuple[Tensor, ...]) -> Recording:
        # the graph's own stream must be one of the inputs' device, which need not be the first
        with torch.cuda.device(inputs[0].device):
            places = [x.clone() for x in inputs]
            side, first = _recording_place(torch.cuda.current_device())
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # compilation and library set-up must not be recorded
                for _ in range(self.WARM_UP_CALLS):
                    self.function(*places)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # other threads of the process may use the device meanwhile
            with torch.cuda.graph(graph, first.pool(), side, capture_error_mode="thread_local"):
                output = self.function(*places)
        return graph, places, output


@cache
def _recording_place(device: int) -> tuple[torch.cuda.Stream, torch.cuda.CUDAGraph]:
    """The stream that all graphs of a device are recorded on, and a graph whose memory they share.

    That one does nothing and stays: memory ends with its last graph and cannot be begun again.
    """
    stream, first = torch.cuda.Stream(device), torch.cuda.CUDAGraph()
    with torch.cuda.graph(first, stream=stream, capture_error_mode="thread_local"):
        torch.zeros(1, device=device)
    return stream, first
