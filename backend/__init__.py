# SPDX-License-Identifier: GPL-3.0-or-later
"""WorldFM's backend: the world, the frame model and the process that serves them."""
