# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVIDIA's own program says of a computer's cards, and whether CUDA 13 runs on one of them."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

ASK = ("--query-gpu=driver_version,compute_cap", "--format=csv,noheader")
_DRIVER = 580
"""The first driver of CUDA 13, on Linux and Windows (NVIDIA's CUDA 13.0 release notes)."""
_CAPABILITY = 7.5
"""Of the oldest cards that CUDA 13 computes on (Turing)."""
_KERNEL_MODULE = Path("/sys/module/nvidia/version")


def nvidia_smi() -> str | None:
    """NVIDIA's program; None = it is not here. Windows looks in the present folder for programs
    first, so there only the system's own folder counts."""
    if sys.platform == "win32":
        folder = os.environ.get("SYSTEMROOT", r"C:\Windows")
        program = Path(folder, "System32", "nvidia-smi.exe")
        return str(program) if program.is_file() else None
    return shutil.which("nvidia-smi")


def can_run_cuda_13(said: str, kernel_module: str) -> bool:
    """said: lines that it answers to ASK, "driver, capability" a card; "" = it is not here.
    kernel_module: its version on Linux, for where that program is not at hand."""
    cards = re.findall(r"^\s*(\d+)[\d.]*\s*,\s*(\d+(?:\.\d+)?)\s*$", said, re.MULTILINE)
    if cards:
        return any(int(driver) >= _DRIVER and float(able) >= _CAPABILITY for driver, able in cards)
    found = re.match(r"(\d+)\.", kernel_module)
    return found is not None and int(found[1]) >= _DRIVER


def kernel_module() -> str:
    """The version of Linux's NVIDIA module; "" = there is none."""
    try:
        return _KERNEL_MODULE.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
