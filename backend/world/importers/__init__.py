# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from elsewhere: photos, panoramas, captures and point clouds."""
