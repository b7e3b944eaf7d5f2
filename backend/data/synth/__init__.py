# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural scenes and a batched ray tracer: posed RGB-D without end and without downloads."""

from .kinds import KINDS, make_scene
from .paths import fly_path
from .render import render_depth, render_view
from .scene import Scene

__all__ = ["KINDS", "Scene", "fly_path", "make_scene", "render_depth", "render_view"]
