# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame from a world, a camera and a model: `prepare` and `render`, for either model."""
