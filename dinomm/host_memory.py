"""Main memory for training on a CPU."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc accepts no more
NEVER_TRIM = 2**31 - 1


def keep_freed_memory() -> bool:
    """Lets glibc keep freed tensors for the next step instead of returning them to the system.

    A step on a CPU frees and allocates gigabytes; each return costs page faults that zero the
    same pages again. Peak memory does not change. Does nothing where there is no glibc.

    Returns:
        Whether the settings were taken.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mapped = mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    return bool(mapped and mallopt(M_TRIM_THRESHOLD, NEVER_TRIM))
