# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work for many scenes, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import torch


def for_each_seed(work: Callable[[int], None], seeds: range, processes: int = 1) -> Iterator[int]:
    """Do `work` for every seed; yields each seed as it is done.

    With more than one process the order is not kept, each works on one thread, and `work` has to
    be a module's function or a `functools.partial` of one.
    """
    if processes <= 1:
        for seed in seeds:
            work(seed)
            yield seed
        return
    # forked children of a process that has used torch's threads may hang
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        running = {pool.submit(work, seed): seed for seed in seeds}
        try:
            for done in as_completed(running):
                done.result()
                yield running[done]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
