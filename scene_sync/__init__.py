# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that turns Blender's data into the types of `backend.shared`."""
