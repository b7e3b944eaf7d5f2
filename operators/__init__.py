# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators, one file per subject. All of them run without a window."""

from __future__ import annotations

from . import backend, camera_path, export, memory

CLASSES = (*backend.CLASSES, *memory.CLASSES, *export.CLASSES, *camera_path.CLASSES)
