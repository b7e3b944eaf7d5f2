# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth as networks see it: the logarithm, in units of the world's scale."""

from __future__ import annotations

MAX_LOG_DEPTH = 3.0
"""Log depths are clipped to +- this and divided by it; sky lies at the far end."""
