# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading: streams frames of what a viewport looks at."""
