# SPDX-License-Identifier: GPL-3.0-or-later
"""What the frame model is told of a view: lit anchors, memory, and what is left unseen."""
