# SPDX-License-Identifier: GPL-3.0-or-later
"""A material's program, checked: what `Material.program` holds as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from .values import from_json


class Link(NamedTuple):
    """The output of an earlier node."""

    node: int
    out: str


@dataclass(frozen=True)
class Node:
    """One node. inputs: by identifier, a Link or a value and its kind."""

    type: str
    props: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Nodes in an order in which every link points backwards, and what the surface is.

    volume: whether there is one inside; a material of nothing else lets all light in.
    displacement: vectors that the surface is moved by, None without.
    """

    nodes: tuple[Node, ...]
    surface: Link | None
    volume: bool = False
    displacement: Link | None = None

    @cached_property
    def used(self) -> frozenset[Link]:
        """All outputs that anything asks for."""
        links = (v for n in self.nodes for v in n.inputs.values() if isinstance(v, Link))
        ends = (end for end in (self.surface, self.displacement) if end is not None)
        return frozenset([*links, *ends])

    def needs(self, node: int) -> list[int]:
        """A node and all that it depends on, each after what it depends on."""
        found = self._needs.get(node)
        if found is None:
            reached = {node}
            for index in range(node, -1, -1):
                if index in reached:
                    inputs = self.nodes[index].inputs.values()
                    reached |= {v.node for v in inputs if isinstance(v, Link)}
            found = self._needs[node] = sorted(reached)
        return found

    @cached_property
    def _needs(self) -> dict[int, list[int]]:
        return {}


def parse(text: str) -> Program:
    """Read a program; ValueError, with what is wrong, for one that is none."""
    tree = json.loads(text)
    if not isinstance(tree, dict) or not isinstance(tree.get("nodes"), list):
        raise ValueError("it has no list of nodes")
    nodes = tuple(_node(item, index) for index, item in enumerate(tree["nodes"]))
    surface, way = (
        None if tree.get(end) is None else _link(tree[end], len(nodes))
        for end in ("surface", "displacement")
    )
    return Program(nodes, surface, tree.get("volume") is not None, way)


def _node(item: Any, index: int) -> Node:
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise ValueError(f"node {index} has no type")
    props, inputs = item.get("props") or {}, item.get("inputs") or {}
    if not isinstance(props, dict) or not isinstance(inputs, dict):
        raise ValueError(f"node {index} has no proper inputs")
    read = {k: _input(v, index) for k, v in inputs.items() if not isinstance(v, str | None)}
    return Node(item["type"], props, read)


def _input(value: Any, limit: int) -> Any:
    if isinstance(value, dict):
        return _link(value, limit)
    return from_json(value)


def _link(item: Any, limit: int) -> Link:
    node, out = (item.get("node"), item.get("out")) if isinstance(item, dict) else (None, None)
    if not isinstance(node, int) or not isinstance(out, str) or not 0 <= node < limit:
        raise ValueError("a link does not point to an earlier node")
    return Link(node, out)
