# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference implementation: its vectors, and its geometry where ours differs."""
