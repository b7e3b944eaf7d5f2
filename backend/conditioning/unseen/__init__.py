# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left where nothing was seen: depth, colours and detail, proposed with confidence."""
