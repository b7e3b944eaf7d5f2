# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything Blender is told about, in order; taken back in reverse."""

from __future__ import annotations

import bpy

from . import (
    engine,
    handlers,
    history,
    installation,
    preferences,
    properties,
    redraw,
    runtime,
    translations,
)
from .operators import CLASSES as OPERATORS
from .operators import child_run, live_image, record_walk
from .panels import CLASSES as PANELS
from .panels import sidebar, standard
from .viewport import painter, solid_points, views

CLASSES = (
    *properties.CLASSES,
    *preferences.CLASSES,
    engine.WorldFMRenderEngine,
    *OPERATORS,
    *PANELS,
)


def register() -> None:
    """Classes, properties, handlers. No process is started here."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    properties.attach()
    standard.inherit(engine.ENGINE)
    sidebar.attach()
    translations.attach()
    handlers.attach()
    history.attach()
    redraw.attach()
    solid_points.attach()


def unregister() -> None:
    """The reverse; the backend process ends."""
    solid_points.detach()
    redraw.detach()
    history.detach()
    handlers.detach()
    installation.detach()
    child_run.stop_all()
    live_image.stop()
    record_walk.stop()
    views.forget_all()
    painter.forget_gpu()
    runtime.shut_down()
    translations.detach()
    sidebar.detach()
    standard.disinherit(engine.ENGINE)
    properties.detach()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
