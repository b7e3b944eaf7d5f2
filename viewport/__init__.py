# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading: what each 3D viewport looks at, asked for, and how it is drawn."""
