# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the depth of a world can be trusted and what was left out, kept with its points."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import bpy

from ..backend.shared.reading import MALFORMED, parse_json
from ..backend.shared.trust import Guess, Trust, recorded

TRUST = "worldfm_trust"
"""Custom property of a points object: its `record` as JSON."""
NOTES = "worldfm_notes"
"""The same: what was noted when its world came in, a sentence a line."""
_MOST_NOTES, _LONGEST_NOTE = 8, 500


def store_trust(ob: bpy.types.Object, provenance: Mapping[str, str]) -> None:
    """Keep what a world's provenance says of its depth, if it says anything."""
    trust = recorded(provenance)
    if trust is not None:
        ob[TRUST] = json.dumps(trust.record())


def trust_of(ob: bpy.types.Object | None) -> Trust | Guess | None:
    """What is known of an object's world; None for objects that are no such."""
    if ob is None or TRUST not in ob:
        return None
    try:
        return recorded(dict(parse_json(str(ob[TRUST]))))
    except MALFORMED:
        return None


def store_notes(ob: bpy.types.Object, notes: Sequence[str]) -> None:
    """Keep what a user is told of a new world, such as which pictures were left out."""
    if notes:
        ob[NOTES] = "\n".join(notes)


def shown_notes(context: bpy.types.Context) -> list[str]:
    """What was noted of the active object's world, else of the world that came in last."""
    scene = context.scene
    for ob in (context.active_object, scene.objects.get(scene.worldfm.newest_world)):
        if ob is not None and NOTES in ob:
            lines = str(ob[NOTES]).splitlines()
            return [line[:_LONGEST_NOTE] for line in lines[:_MOST_NOTES]]
    return []


def shown_trust(context: bpy.types.Context) -> Trust | Guess | None:
    """That of the active object's world, else of the world that came in last."""
    trust = trust_of(context.active_object)
    if trust is not None:
        return trust
    scene = context.scene
    return trust_of(scene.objects.get(scene.worldfm.newest_world))
