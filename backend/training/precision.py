# SPDX-License-Identifier: GPL-3.0-or-later
"""Which precision trains quicker on this machine: measured, since processors of one name differ."""

from __future__ import annotations

import os
import time
from functools import cache

import torch
import torch.nn.functional as F

REPEATS = 3
WORTH_IT = 0.85
"""Part of float32's time below which bfloat16 is taken: it costs digits."""


@cache
def quicker_precision() -> str:
    """ "bf16" or "no", as accelerate calls them; takes well under a second."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return "no"  # processes might measure differently
    image = torch.randn(1, 32, 96, 96).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(32, 32, 3, 3, requires_grad=True)
    tokens, weight = torch.randn(128, 192), torch.randn(768, 192, requires_grad=True)

    def work(precision: torch.dtype) -> float:
        began = time.perf_counter()
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            loss = F.conv2d(image, kernel, padding=1).square().mean()
            loss = loss + F.linear(tokens, weight).square().mean()
        torch.autograd.grad(loss, [kernel, weight])
        return time.perf_counter() - began

    best = {}
    for precision in (torch.float32, torch.bfloat16):
        work(precision)  # the first call makes kernels
        best[precision] = min(work(precision) for _ in range(REPEATS))
    return "bf16" if best[torch.bfloat16] < WORTH_IT * best[torch.float32] else "no"
