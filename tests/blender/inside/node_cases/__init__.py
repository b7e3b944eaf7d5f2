# SPDX-License-Identifier: GPL-3.0-or-later
"""Small node trees that between them use every node, setting and closure that is followed."""

from . import values, colors, places, images, patterns, closures, normals  # isort: skip
from .trees import CASES, Tree

__all__ = [
    "CASES",
    "Tree",
    "closures",
    "colors",
    "images",
    "normals",
    "patterns",
    "places",
    "values",
]
