# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics, classical baselines, contact sheets and benchmarks."""
