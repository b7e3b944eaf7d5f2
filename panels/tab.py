# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the panels of the tab WorldFM stand."""

from __future__ import annotations

from ..translations import CONTEXT


class SidebarTab:
    """In the 3D viewport's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "WorldFM"
    bl_translation_context = CONTEXT
