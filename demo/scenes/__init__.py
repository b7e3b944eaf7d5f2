# SPDX-License-Identifier: GPL-3.0-or-later
"""Small scenes as artists make them, each a script, with the views they are measured from.

A scene is a function that builds into the open file and returns a `Stage`; see stage.py.
Rendered by render.py; `make scenes` compares the product with Cycles on all of them.
"""
