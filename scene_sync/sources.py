# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object shows as triangles, whatever kind of object it is, and what of it is not shown."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from .anchor_points import are_native_splats
from .geometry import Surface, read_mesh, surface_of
from .strands import MAX_TRIANGLES, SIDES, read_cloud, read_curves, read_hair, tubes

STRAND_TYPES = frozenset({"CURVES", "POINTCLOUD"})
UNSHOWN = {"VOLUME": "volume", "GPENCIL": "grease pencil", "GREASEPENCIL": "grease pencil"}
"""Kinds of objects that are named only; the second name of one is that of later Blenders."""


def read_surface(ob: bpy.types.Object) -> Surface | None:
    """The triangles of an evaluated mesh, hair curves or point cloud; None without any."""
    if ob.type == "CURVES":
        return surface_of(tubes(read_curves(ob.data)))
    if ob.type == "POINTCLOUD":
        return surface_of(read_cloud(ob.data))
    return read_mesh(ob)


def read_systems(ob: bpy.types.Object, render: bool) -> Iterator[tuple[Surface, int]]:
    """The hair of an evaluated object's particle systems, and the material slot of each."""
    if ob.type != "MESH" or not len(ob.particle_systems):
        return
    shown = {m.particle_system.name for m in ob.modifiers if m.type == "PARTICLE_SYSTEM" and (
        m.show_render if render else m.show_viewport)}  # fmt: skip
    for system in ob.particle_systems:
        settings = system.settings
        hair = settings.type == "HAIR" and settings.render_type == "PATH"
        if not hair or system.name not in shown or not len(system.particles):
            continue
        surface = surface_of(tubes(read_hair(ob, system, render)))
        if surface is not None:
            yield surface, max(settings.material - 1, 0)


def problems_of(ob: bpy.types.Object) -> tuple[str, ...]:
    """A sentence about each thing that an evaluated object shows less well than Cycles."""
    problems = []
    if ob.type in UNSHOWN:
        problems.append(f"'{ob.name}' is a {UNSHOWN[ob.type]} object and is not shown.")
    solids = ob.type == "POINTCLOUD" and not are_native_splats(ob)
    if solids and len(ob.data.points) * SIDES > MAX_TRIANGLES:
        problems.append(
            f"'{ob.name}' has too many points; only every so many are shown, and larger."
        )
    if ob.type == "CURVES" and (len(ob.data.points) - len(ob.data.curves)) * 6 > MAX_TRIANGLES:
        problems.append(f"'{ob.name}' has too much hair; fewer strands are shown, and wider.")
    return tuple(problems)
