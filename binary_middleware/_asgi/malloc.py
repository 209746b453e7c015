"""glibc's malloc, set to keep the memory that large bodies free."""

from __future__ import annotations

from functools import cache

import numpy as np


@cache
def keep_freed_memory() -> None:
    """Have glibc's malloc keep the memory that bodies free, once for the process.

    By default it returns memory to the system whenever it can, and the next body pays for fresh
    pages: 537 page faults for each request of 1 MiB, close to half of its time. The thresholds for
    that rise to the size of a large block that is freed (M_MMAP_THRESHOLD in mallopt(3)), up to
    32 MiB, as the first large body would make them do anyway. No page is touched here; the process
    may keep up to about 62 MiB of free memory. Other allocators ignore this.
    """
    np.empty(31 * 2**20, np.uint8)
