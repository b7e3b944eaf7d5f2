# SPDX-License-Identifier: GPL-3.0-or-later
"""What light does to them: lamps, sky, bounces, reflections, the pixel filter."""
