# SPDX-License-Identifier: GPL-3.0-or-later
"""What several operators share is no operator itself: Blender would want to register it.

To a type checker it is one, since it is only ever used beside `bpy.types.Operator`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bpy

    OperatorMixin = bpy.types.Operator
else:
    OperatorMixin = object
