"""Files of weights, and pickles of plain data."""

import io
import json
import pickle
import pickletools
import random
import struct
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from dinomm.checkpoints.files import load_file
from dinomm.checkpoints.newest import newest_whole
from dinomm.evaluation.plain_pickle import load_plain_pickle

from .kinds import Kind
from .mutations import mutated

HOSTILE = b'cos\nmkdir\n(X\x08\x00\x00\x00executedtR.'
OPCODES = ''.join(opcode.code for opcode in pickletools.opcodes).encode('latin1')
EXECUTED = Path('executed')


@cache
def seeds() -> list[bytes]:
    """Checkpoints of torch, new and legacy, of every protocol that it writes."""
    state = {
        'state_dict': {'backbone.a': torch.ones(3, 2), 'backbone.b': torch.zeros(2).half()},
        'meta': {'iter': 3, 'epoch': 1, 'time': 'x'},
        'optimizer': {'state': {0: {'step': torch.tensor(1.0)}}, 'param_groups': [{'lr': 0.1}]},
    }
    files = []
    for options in ({}, {'pickle_protocol': 4}, {'_use_new_zipfile_serialization': False}):
        file = io.BytesIO()
        torch.save(state, file, **options)
        files.append(file.getvalue())
    return files


def spoilt_pickle(rng: random.Random, content: bytes) -> bytes:
    """Opcodes in the place of bytes, calls of functions, long numbers, cut or repeated pieces."""
    kind = rng.random()
    if kind < 0.15:
        return content[:2] + HOSTILE
    if kind < 0.5 and content:
        at = rng.randrange(len(content))
        piece = bytes(rng.choice(OPCODES) for _ in range(rng.randint(1, 5)))
        return content[:at] + piece + content[at + rng.randint(0, 4) :]
    if kind < 0.6:
        return (
            b'\x80\x02'
            + rng.choice((b'(', b'}', b']', b'\x88\x85')) * rng.randint(1, 50_000)
            + b'.'
        )
    if kind < 0.7:
        return b'\x80\x02' + rng.choice((b'\x8b', b'B', b'T', b'\x8d')) + rng.randbytes(8) + b'.'
    return mutated(rng, content, [HOSTILE, content])


def generate(rng: random.Random) -> bytes:
    """A checkpoint whose bytes, zip members or pickle are spoilt."""
    seed = rng.choice(seeds())
    if not zipfile.is_zipfile(io.BytesIO(seed)) or rng.random() < 0.4:
        return spoilt_pickle(rng, seed) if rng.random() < 0.3 else mutated(rng, seed, seeds())
    return rezipped(rng, seed)


def rezipped(rng: random.Random, seed: bytes) -> bytes:
    """A whole zip file around a spoilt pickle, its members missing, packed, renamed or spoilt."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seed)) as archive, zipfile.ZipFile(file, 'w') as out:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith('data.pkl') and rng.random() < 0.8:
                content = spoilt_pickle(rng, content)
            elif rng.random() < 0.1:
                continue
            elif rng.random() < 0.1:
                content = mutated(rng, content, [seed])
            elif rng.random() < 0.05:
                content = bytes(10 * 2**20)
            packing = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
            name = '../' + name if rng.random() < 0.03 else name
            out.writestr(name, content, packing)
    return file.getvalue()


def read(path: Path) -> None:
    """As the tools look for the newest checkpoint of a folder, and as they read weights."""
    folder = path.with_suffix('.run')
    folder.mkdir()
    path.rename(folder / 'epoch_1.pth')
    try:
        newest_whole(folder, lambda warning: None)
    except ValueError as error:
        assert 'none of the checkpoints' in str(error), error
    load_file(folder / 'epoch_1.pth')
    assert not EXECUTED.exists(), 'code of the file was executed'


@cache
def tensor_seeds() -> list[bytes]:
    """Files of safetensors."""
    tensors = {'a': torch.ones(3, 2), 'b.c': torch.zeros(4).bfloat16()}
    return [save(tensors, {'format': 'pt'}), save({})]


def generate_tensors(rng: random.Random) -> bytes:
    """A file of safetensors whose header lies."""
    seed = tensor_seeds()[0]
    length = int.from_bytes(seed[:8], 'little')
    header = json.loads(seed[8 : 8 + length])
    kind = rng.random()
    if kind < 0.2:
        return struct.pack('<Q', rng.choice((0, 1, length + 1, 2**31, 2**63, 2**64 - 1))) + seed[8:]
    if kind < 0.7:
        entry = header['a']
        entry[rng.choice(tuple(entry))] = rng.choice(
            (
                [0, 2**63],
                [-1, 24],
                [24, 0],
                [0, 8],
                [2**32, 2**32],
                'F64',
                'F4',
                'x',
                None,
                {},
                [[1]],
            )
        )
        text = json.dumps(header).encode()
        return struct.pack('<Q', len(text)) + text + seed[8 + length :]
    if kind < 0.75:
        text = b'[' * 100_000
        return struct.pack('<Q', len(text)) + text
    return mutated(rng, seed, tensor_seeds())


@cache
def pickle_seeds() -> list[bytes]:
    """Ground truths as they are published."""
    truth = {'imlist': ['a', 'b'], 'gnd': [{'bbx': np.array([1.0, 2]), 'easy': np.arange(3)}]}
    return [pickle.dumps(truth, protocol) for protocol in (0, 2, 4)]


def generate_pickle(rng: random.Random) -> bytes:
    """A spoilt pickle of plain data."""
    return spoilt_pickle(rng, rng.choice(pickle_seeds()))


def read_pickle(path: Path) -> None:
    """As the evaluations read one."""
    load_plain_pickle(path)
    assert not EXECUTED.exists(), 'code of the file was executed'


KINDS = (
    Kind('checkpoint', 0.14, '.pth', generate, read),
    Kind('safetensors', 0.06, '.safetensors', generate_tensors, load_file),
    Kind('pickle', 0.07, '.pkl', generate_pickle, read_pickle),
)
