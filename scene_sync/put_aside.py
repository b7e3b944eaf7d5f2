# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene holds goes out of a new world's way: hidden together, and back with one tick."""

from __future__ import annotations

import bpy

SHOWN = {"MESH", "CURVE", "SURFACE", "FONT", "META", "CURVES", "POINTCLOUD", "VOLUME"}
"""Kinds of objects that a picture shows."""

NAME = "Put Aside"
"""Of the collection that holds what was there before."""


def in_the_way(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Objects of the scene that a picture of it would show now."""
    return [ob for ob in scene.objects if _shows(ob) and not ob.hide_render and _reached(ob, scene)]


def put_aside(scene: bpy.types.Scene) -> tuple[int, int]:
    """Move everything that the scene holds into one collection that no view layer shows.

    Nothing is deleted and what is in collections stays in them: ticking the new collection in the
    Outliner brings all of it back. Memory frames are switched off, for they show what is put aside.
    Returns how many objects were in the way and how many frames were on; with none of both nothing
    has changed.
    """
    count = len(in_the_way(scene))
    memory = [item for item in scene.worldfm.memory if item.enabled]
    if not count and not memory:
        return 0, 0
    root = scene.collection
    aside = bpy.data.collections.new(NAME)
    unticked = {layer.name: _unticked(layer.layer_collection) for layer in scene.view_layers}
    for child in list(root.children):
        aside.children.link(child)
        root.children.unlink(child)
    for ob in list(root.objects):
        aside.objects.link(ob)
        root.objects.unlink(ob)
    root.children.link(aside)
    for layer in scene.view_layers:
        below = layer.layer_collection.children[aside.name]
        _untick(below, unticked[layer.name])
        below.exclude = True
    for item in memory:
        item.enabled = False
    return count, len(memory)


def _shows(ob: bpy.types.Object) -> bool:
    return ob.type in SHOWN or ob.instance_collection is not None


def _reached(ob: bpy.types.Object, scene: bpy.types.Scene) -> bool:
    return any(ob.name in layer.objects for layer in scene.view_layers)


def _unticked(layer: bpy.types.LayerCollection) -> set[str]:
    """Names of the collections below that the user has unticked."""
    found = {child.name for child in layer.children if child.exclude}
    return found.union(*(_unticked(child) for child in layer.children))


def _untick(layer: bpy.types.LayerCollection, names: set[str]) -> None:
    """The reverse."""
    for child in layer.children:
        _untick(child, names)
        if child.name in names:
            child.exclude = True
