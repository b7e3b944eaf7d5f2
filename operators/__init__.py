# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators, one file per subject. All of them run without a window."""

from __future__ import annotations

from . import (
    adapt,
    backend,
    bake,
    bake_world,
    camera_path,
    camera_path_file,
    export,
    first_steps,
    history,
    install,
    keep_frame,
    live_image,
    match_handles,
    memory,
    models,
    photo_match,
    playblast,
    recapture,
    record_walk,
    view_transform,
    world_folder,
    world_io,
)

CLASSES = (
    *first_steps.CLASSES,
    *backend.CLASSES,
    *install.CLASSES,
    *history.CLASSES,
    *memory.CLASSES,
    *recapture.CLASSES,
    *models.CLASSES,
    *adapt.CLASSES,
    *export.CLASSES,
    *bake_world.CLASSES,
    *camera_path.CLASSES,
    *camera_path_file.CLASSES,
    *record_walk.CLASSES,
    *playblast.CLASSES,
    *world_io.CLASSES,
    *world_folder.CLASSES,
    *photo_match.CLASSES,
    *match_handles.CLASSES,
    *keep_frame.CLASSES,
    *bake.CLASSES,
    *live_image.CLASSES,
    *view_transform.CLASSES,
)
