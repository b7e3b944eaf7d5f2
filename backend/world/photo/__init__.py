# SPDX-License-Identifier: GPL-3.0-or-later
"""From one photo: its camera, and simple geometry that the photo can be projected on."""
