# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend ...` is the command `worldfm`."""

import sys

if __name__ == "__main__":
    if "--child" in sys.argv:  # before anything is imported that takes its time
        from .shared.orphan import end_with_parent

        end_with_parent()
    from .cli import main

    main()
