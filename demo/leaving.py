# SPDX-License-Identifier: GPL-3.0-or-later
"""How programs in Blender's Python module end."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn


def leave_with(main: Callable[[], int]) -> NoReturn:
    """Run `main` and end with its exit code, or with 1 and a traceback."""
    try:
        code = main()
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code)  # the bpy module may crash or hang when Python takes it down
