# SPDX-License-Identifier: GPL-3.0-or-later
"""WorldFM for Blender. Nothing is imported before Blender enables the extension."""


def register() -> None:
    """Add the engine, its properties, operators and panels to Blender."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Take everything out again and end the backend process."""
    from . import registration

    registration.unregister()
