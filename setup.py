# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder backend/ is installed as worldfm_backend; the rest stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    package_dir={"worldfm_backend": "backend"},
    packages=["worldfm_backend", *(f"worldfm_backend.{name}" for name in find_packages("backend"))],
)
