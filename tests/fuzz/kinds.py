"""What a kind of input is."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MIB = 2**20


class Kind(NamedTuple):
    """Inputs of one sort, and what reads them.

    Attributes:
        name: On the command line.
        share: Of all inputs.
        suffix: Of the file that an input is written to.
        generate: Makes the bytes of an input.
        read: Reads a file as dinomm does; what it raises is judged.
        memory: Bytes that the process may grow by while it reads one.
    """

    name: str
    share: float
    suffix: str
    generate: Callable[[random.Random], bytes]
    read: Callable[[Path], object]
    memory: int = 256 * MIB
