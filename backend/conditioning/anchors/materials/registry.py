# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes that are evaluated, by Blender's `node.type`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .values import Kind

if TYPE_CHECKING:
    from .evaluation import Call

Function = Callable[["Call"], "np.ndarray | dict[str, np.ndarray]"]


@dataclass(frozen=True)
class NodeType:
    """How a node is evaluated.

    outputs: what each output holds; a function that gives back a bare array means the first.
    varies: whether it asks for the points, so that it cannot be evaluated once for all.
    instead: what the node is taken for, where that is something else than in Cycles.
    """

    evaluate: Function
    outputs: dict[str, Kind]
    varies: bool = False
    instead: str = ""


NODES: dict[str, NodeType] = {}


def node(
    *types: str, varies: bool = False, instead: str = "", **outputs: Kind
) -> Callable[[Function], Function]:
    """Register a function for node types; outputs by identifier ("__" stands for a blank)."""
    kinds = {name.replace("__", " "): kind for name, kind in outputs.items()}

    def register(function: Function) -> Function:
        for name in types:
            NODES[name] = NodeType(function, kinds, varies, instead)
        return function

    return register
