"""Ways to spoil a file."""

import random
import struct

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, -1)


def mutated(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """One to six changes of a file, each of another place; ``others`` to splice it with."""
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        content = rng.choice(CHANGES)(rng, content, others)
    return content


def _place(rng: random.Random, content: bytes) -> int:
    """More often near the beginning, where headers are."""
    end = min(len(content), 96) if rng.random() < 0.6 else len(content)
    return rng.randrange(end) if end else 0


def _flip(rng: random.Random, content: bytes, _) -> bytes:
    at = _place(rng, content)
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def _truncate(rng: random.Random, content: bytes, _) -> bytes:
    return content[: _place(rng, content)] if rng.random() < 0.5 else content[: -rng.randint(1, 9)]


def _extreme(rng: random.Random, content: bytes, _) -> bytes:
    """A number of one to eight bytes that stands at a limit."""
    width, order = rng.choice((1, 2, 4, 8)), rng.choice(('<', '>'))
    number = rng.choice(EXTREMES) % 2 ** (8 * width)
    at = _place(rng, content)
    packed = struct.pack(order + {1: 'B', 2: 'H', 4: 'I', 8: 'Q'}[width], number)
    return content[:at] + packed + content[at + width :]


def _insert(rng: random.Random, content: bytes, _) -> bytes:
    at = _place(rng, content)
    return content[:at] + rng.randbytes(rng.randint(1, 40)) + content[at:]


def _delete(rng: random.Random, content: bytes, _) -> bytes:
    at = _place(rng, content)
    return content[:at] + content[at + rng.randint(1, 40) :]


def _repeat(rng: random.Random, content: bytes, _) -> bytes:
    at = _place(rng, content)
    piece = content[at : at + rng.randint(1, 600)]
    return content[:at] + piece * rng.randint(2, 20) + content[at:]


def _splice(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    other = rng.choice(others)
    return content[: _place(rng, content)] + other[_place(rng, other) :]


CHANGES = (_flip, _flip, _flip, _truncate, _extreme, _extreme, _insert, _delete, _repeat, _splice)
