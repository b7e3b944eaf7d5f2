# SPDX-License-Identifier: GPL-3.0-or-later
"""Types both sides of the wire use. Standard library and numpy only."""
