# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels: they draw and do nothing else."""

from __future__ import annotations

from . import render, sidebar

CLASSES = (*render.CLASSES, *sidebar.CLASSES)
