# SPDX-License-Identifier: GPL-3.0-or-later
"""Long runs, by `make soak` only: in the bpy Pythons and in a real Blender, as the short tests."""

from tests.blender.conftest import blender, pytest_generate_tests
from tests.gui.conftest import (
    backend_python,
    bare_stage,
    demo_file,
    installed,
    model,
    package,
    real_blender,
    stage,
)

__all__ = [
    "backend_python",
    "bare_stage",
    "blender",
    "demo_file",
    "installed",
    "model",
    "package",
    "pytest_generate_tests",
    "real_blender",
    "stage",
]
