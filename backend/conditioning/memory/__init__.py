# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory frames say beyond lit anchors."""
