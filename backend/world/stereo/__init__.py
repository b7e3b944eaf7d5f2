# SPDX-License-Identifier: GPL-3.0-or-later
"""Dense depth of captures: many pictures of one place, each told how far everything in it is."""
