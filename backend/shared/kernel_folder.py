# SPDX-License-Identifier: GPL-3.0-or-later
"""Where compiled kernels are kept where Numba's own variable doesn't say."""

from __future__ import annotations

import os
from pathlib import Path

KERNELS = "NUMBA_CACHE_DIR"
"""The variable."""


def kernel_folder() -> Path:
    """The folder that the environment names, else one of the user's."""
    return Path(os.environ.get(KERNELS) or Path.home() / ".cache" / "worldfm" / "kernels")
