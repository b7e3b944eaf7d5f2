# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices this computer has for the model, found out by using each of them."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

import psutil
import torch

from ..shared.messages import DeviceInfo

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_log = logging.getLogger(__name__)


def probe() -> tuple[DeviceInfo, ...]:
    """The devices that compute correctly, the fastest kind first; the CPU is always the last."""
    found = [_cuda(index) for index in range(_cuda_count())]
    found.append(_mps())
    return (*(device for device in found if device is not None), _cpu())


def _cuda_count() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _cuda(index: int) -> DeviceInfo | None:
    """NVIDIA's and AMD's devices both answer to torch.cuda."""
    device = torch.device("cuda", index)
    modes = working_modes(device, ("bfloat16", "float16", "float32"))
    if not modes:
        return None
    free, total = torch.cuda.mem_get_info(device)
    kind = "rocm" if torch.version.hip else "cuda"
    name = torch.cuda.get_device_name(device)
    return DeviceInfo(f"cuda:{index}", name, kind, total, free, modes)


def _mps() -> DeviceInfo | None:
    if not torch.backends.mps.is_available():
        return None
    modes = working_modes(torch.device("mps"), ("bfloat16", "float16", "float32"))
    total = torch.mps.recommended_max_memory() if modes else 0
    used = torch.mps.driver_allocated_memory() if modes else 0
    return DeviceInfo("mps", "Apple GPU", "mps", total, total - used, modes) if modes else None


def _cpu() -> DeviceInfo:
    modes = working_modes(torch.device("cpu"), ("float32", "bfloat16"))
    memory = psutil.virtual_memory()
    return DeviceInfo("cpu", _cpu_name(), "cpu", memory.total, memory.available, modes)


def working_modes(device: torch.device, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those dtypes in which the device multiplies and convolves and gets the right numbers.

    A driver may list a device that its torch has no kernels for; only trying tells.
    """
    return tuple(name for name in names if _computes(device, _DTYPES[name]))


def _computes(device: torch.device, dtype: torch.dtype) -> bool:
    grid = torch.arange(64, dtype=torch.float32).reshape(1, 1, 8, 8) / 64
    kernel = torch.full((1, 1, 3, 3), 1 / 9)
    expected = torch.nn.functional.conv2d(grid, kernel) @ grid[..., :6, :6]
    try:
        x, k = grid.to(device, dtype), kernel.to(device, dtype)
        got = torch.nn.functional.conv2d(x, k) @ x[..., :6, :6]
        return torch.allclose(got.float().cpu(), expected, rtol=0.05, atol=0.05)
    except RuntimeError as error:  # no kernel for this device, driver too old, out of memory
        _log.info("%s does not work on %s: %s", dtype, device, error)
        return False


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # only Linux has this file
    return platform.processor() or platform.machine()
