# SPDX-License-Identifier: GPL-3.0-or-later
"""The process's side of the wire: connections, orders, worlds by content, devices."""
