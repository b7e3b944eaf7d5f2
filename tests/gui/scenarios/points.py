# SPDX-License-Identifier: GPL-3.0-or-later
"""A world of points in Solid shading, moved, edited, and in Rendered shading."""

from __future__ import annotations

import sys

import artist
import bpy
import numpy as np

SPACING = 0.05


def play(ui):
    _, _, space = artist.viewport()
    artist.clear_view(space)
    space.show_region_ui = space.show_region_toolbar = False
    for ob in list(bpy.data.objects):
        bpy.data.objects.remove(ob)
    anchors = sys.modules[f"{artist.ADDON}.backend.shared.anchors"].Anchors
    store = sys.modules[f"{artist.ADDON}.scene_sync.anchor_points"].store_anchors
    x, z = np.meshgrid(np.arange(-1, 1, SPACING), np.arange(-1, 1, SPACING))
    xyz = np.stack([x, 0 * x, z], -1).reshape(-1, 3).astype(np.float32)
    rgb = np.tile(np.uint8([250, 30, 40]), (len(xyz), 1))
    points = anchors(xyz, rgb, np.full(len(xyz), SPACING / 2, np.float32))
    scene = bpy.context.scene
    ob = store("Wall", points, scene.collection, 1.0)
    view = space.region_3d
    view.view_perspective, view.view_distance = "PERSP", 5.0
    view.view_rotation, view.view_location = (0.7071, 0.7071, 0, 0), (0, 0, 0)
    for shading in ("SOLID", "WIREFRAME", "MATERIAL"):
        space.shading.type = shading
        yield 3.0
        yield from ui.picture(f"points-{shading.lower()}")
    space.shading.type = "SOLID"
    ob.location.x = 100
    yield from ui.picture("points-away")
    ob.location.x = 0
    ob.data.vertices[0].co = (0.0, -3.0, 0.0)
    colours = np.tile(np.float32([0.1, 0.1, 0.9, 1.0]), len(xyz))
    ob.data.attributes["worldfm_colour"].data.foreach_set("color_srgb", colours)
    ob.data.update()
    yield 3.0
    yield from ui.picture("points-repainted")
    bpy.data.objects.remove(ob)
    yield from ui.picture("points-gone")
    scene.render.engine = "WORLDFM"
