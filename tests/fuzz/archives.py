"""Tar shards and their indexes."""

import io
import random
import tarfile
from functools import cache
from pathlib import Path

import numpy as np

from dinomm.datasets.shard_index import ShardIndex, from_bytes, index_tar, plain_name, to_bytes
from dinomm.datasets.storage import Shards

from .kinds import Kind
from .mutations import mutated

NAMES = (
    'a.jpg',
    'b/c.png',
    '../up.jpg',
    '/root.jpg',
    'x' * 150 + '.jpg',
    'd.cls',
    '.h/e.jpg',
    '\u65e5.gif',
)
TYPES = (
    tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE,
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE,
    tarfile.XGLTYPE, b'Z',
)  # fmt: skip
NUMBERS = (
    b'777777777777',
    b'\xff' * 12,
    b'\x80' + b'\xff' * 11,
    b'-1\0',
    b'99999999999\0',
    b'\0' * 12,
)
SIZE_AT, CHECKSUM_AT, TYPE_AT = 124, 148, 156


def archive(rng: random.Random) -> bytes:
    """A sound archive with odd names and links."""
    form = rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w', format=form, encoding='utf-8') as tar:
        for _ in range(rng.randint(1, 5)):
            info = tarfile.TarInfo(rng.choice(NAMES))
            info.size = rng.choice((0, 1, 700))
            info.pax_headers = pax(rng) if form == tarfile.PAX_FORMAT else {}
            if rng.random() < 0.3:
                info.type, info.linkname = rng.choice(TYPES), rng.choice(NAMES)
            try:
                tar.addfile(info, io.BytesIO(bytes(info.size)))
            except ValueError:  # a name that the format cannot hold
                continue
    return file.getvalue()


def pax(rng: random.Random) -> dict[str, str]:
    """Extended headers, among them those of sparse files."""
    keys = ('size', 'path', 'linkpath', 'GNU.sparse.major', 'GNU.sparse.minor', 'GNU.sparse.map',
            'GNU.sparse.size', 'GNU.sparse.realsize', 'GNU.sparse.name', 'hdrcharset')  # fmt: skip
    values = ('1', '0', '-1', 'nan', '9' * 30, '../x.jpg', '0,1,2', '1,x', 'BINARY', '')
    return {rng.choice(keys): rng.choice(values) for _ in range(rng.randrange(4))}


def generate(rng: random.Random) -> bytes:
    """An archive whose headers lie, with checksums that fit or not, or a mutated one."""
    content = bytearray(archive(rng))
    if rng.random() < 0.1:
        chain = content[:512] + b'x' + bytes(511)
        chain[TYPE_AT : TYPE_AT + 1] = rng.choice(TYPES)
        chain[SIZE_AT : SIZE_AT + 12] = b'00000000001\0'
        content = sign(chain, 0) * rng.randint(2, 1500) + content
    for _ in range(rng.randrange(3)):
        header = 512 * rng.randrange(min(len(content) // 512, 8))
        where = rng.choice((SIZE_AT, TYPE_AT, 0, 345, 386, 482, 483))
        change = rng.choice(TYPES) if where == TYPE_AT else rng.choice(NUMBERS)
        content[header + where : header + where + len(change)] = change
        if rng.random() < 0.8:
            content = sign(content, header)
    if rng.random() < 0.5:
        return mutated(rng, bytes(content), [archive(rng)])
    return bytes(content)


def sign(content: bytearray, header: int) -> bytearray:
    """With the checksum that a header needs to be believed."""
    block = content[header : header + 512]
    total = sum(block[:CHECKSUM_AT]) + 8 * 32 + sum(block[CHECKSUM_AT + 8 :])
    content[header + CHECKSUM_AT : header + CHECKSUM_AT + 8] = b'%06o\0 ' % total
    return content


def read(path: Path) -> None:
    """Indexes a shard, keeps the index and takes every image out by it."""
    size = path.stat().st_size
    with open(path, 'rb') as file:
        index = index_tar(file, size)
    kept, _ = from_bytes(to_bytes(index, {'size': size}))
    assert kept.names == index.names
    take_all(path, kept)


def take_all(path: Path, index) -> None:
    """Every image of a shard, whose place must lie in it."""
    shards = Shards([str(path)], np.zeros(len(index.names), np.int64), index.offsets, index.sizes)
    for row, name in enumerate(index.names):
        assert plain_name(name) == name
        assert len(shards.content(row, name)) == index.sizes[row]


SHARD_BYTES = 5000


@cache
def index_seeds() -> list[bytes]:
    """Sound indexes of a shard of SHARD_BYTES."""
    contents = []
    for images in range(1, 8):
        names = [f'{number}/a.jpg' for number in range(images)]
        labels, places = ['cat'] * images, np.arange(images) * 600 + 512
        index = ShardIndex(names, labels, places, np.full(images, 80), '')
        contents.append(to_bytes(index, {'size': SHARD_BYTES, 'mtime_ns': 3}))
    return contents


def generate_index(rng: random.Random) -> bytes:
    """A mutated index, or one whose numbers or JSON lie."""
    content = rng.choice(index_seeds())
    line, _, body = content.partition(b'\n')
    kind = rng.random()
    if kind < 0.3 and len(body) >= 8:
        at = 8 * rng.randrange(len(body) // 8)
        return (
            line
            + b'\n'
            + body[:at]
            + rng.choice((b'\xff' * 8, b'\xff' * 7 + b'\x7f', bytes(8)))
            + body[at + 8 :]
        )
    if kind < 0.6:
        value = rng.choice(
            (b'[]', b'{}', b'null', b'-1', b'1e400', b'"x"', b'9' * 5000, b'[' * 50_000)
        )
        pieces = line.split(b': ')
        at = rng.randrange(1, len(pieces))
        pieces[at] = value + b',' + pieces[at].partition(b',')[2]
        return b': '.join(pieces) + b'\n' + body
    return mutated(rng, content, index_seeds())


def read_index(path: Path) -> None:
    """An index as it lies beside a shard, and images by it."""
    index, stamp = from_bytes(path.read_bytes())
    if stamp.get('size') == SHARD_BYTES:
        path.with_suffix('.shard').write_bytes(bytes(SHARD_BYTES))
        take_all(path.with_suffix('.shard'), index)


KINDS = (
    Kind('tar', 0.13, '.tar', generate, read),
    Kind('index', 0.1, '.index', generate_index, read_index),
)
