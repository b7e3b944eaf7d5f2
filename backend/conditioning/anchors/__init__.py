# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact surfaces: what each ray meets, and what it is made of."""
