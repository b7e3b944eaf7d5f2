# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups of commands that `worldfm` mounts, one module each; each has an `app`."""
