# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where attention is computed.

PyTorch's `scaled_dot_product_attention` is the default and works everywhere; xformers and
flash-attention are used on CUDA in half precision where they are installed.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from importlib import import_module
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from ..shared.errors import InputError

AttentionName = Literal["auto", "sdpa", "xformers", "flash"]

_MODULES = {"xformers": "xformers.ops", "flash": "flash_attn"}
_chosen: AttentionName = "auto"


@cache
def _library(name: str) -> object | None:
    """The module behind `name`, or None where it is not installed or does not load."""
    try:
        return import_module(_MODULES[name])
    except (ImportError, OSError):  # OSError: built for another torch or CUDA
        return None


def available_attention() -> list[AttentionName]:
    """Names that `use_attention` accepts on this machine, besides "auto"."""
    found: list[AttentionName] = ["sdpa"]
    if torch.cuda.is_available():
        found += [name for name in ("xformers", "flash") if _library(name) is not None]
    return found


def use_attention(name: AttentionName) -> None:
    """Choose the implementation for this process; "auto" takes the fastest that fits.

    Raises InputError for an unknown name or one that is not installed here.
    """
    global _chosen
    if name not in get_args(AttentionName):
        raise InputError(f'"{name}" is no attention: use {", ".join(get_args(AttentionName))}.')
    if name not in ("auto", *available_attention()):
        raise InputError(f'"{name}" attention needs a CUDA device and its package: use "auto".')
    _chosen = name


def resolve_attention(device_type: str, dtype: torch.dtype) -> AttentionName:
    """The implementation that runs tensors of this kind under the present choice."""
    if device_type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return "sdpa"  # the other two take half precision on CUDA only
    if _chosen != "auto":
        return _chosen
    if _library("flash") is not None:
        return "flash"
    return "xformers" if _library("xformers") is not None else "sdpa"


def _learns_on_cpu(q: Tensor) -> bool:
    """Whether torch's own choice would be slow: its flash attention for CPUs takes several times as
    long as plain products in the backward pass of bfloat16 and small heads."""
    return q.device.type == "cpu" and q.requires_grad


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(D)) v, every query over every key.

    q (B, H, N, D); k, v (B, H, M, D) -> (B, H, N, D), in the type of q.
    """
    name = resolve_attention(q.device.type, q.dtype)
    if name == "sdpa":
        with sdpa_kernel(SDPBackend.MATH) if _learns_on_cpu(q) else nullcontext():
            return scaled_dot_product_attention(q, k, v)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # both libraries want (B, N, H, D)
    library: Any = _library(name)
    run = library.flash_attn_func if name == "flash" else library.memory_efficient_attention
    return run(q, k, v).transpose(1, 2)
