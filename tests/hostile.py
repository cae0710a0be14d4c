"""Files that run code, or take all memory, in readers that trust them."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch


class Code:
    """Makes a folder where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def zipped(marker: Path) -> bytes:
    """As torch.save writes."""
    return _saved(marker)


def legacy(marker: Path) -> bytes:
    """As torch.save wrote before 1.6."""
    return _saved(marker, _use_new_zipfile_serialization=False)


def latest_protocol(marker: Path) -> bytes:
    """A pickle with opcodes that torch's safe reader does not know."""
    return _saved(marker, pickle_protocol=5)


def bare(marker: Path) -> bytes:
    """A pickle without anything of torch."""
    return pickle.dumps({'state_dict': {}, 'x': Code(marker)})


def tarred(marker: Path) -> bytes:
    """As the first versions of torch wrote."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w', format=tarfile.PAX_FORMAT) as tar:
        for name in ('sys_info', 'pickle', 'storages', 'tensors'):
            content = pickle.dumps(Code(marker))
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def objects(marker: Path) -> bytes:
    """An .npz file with an array of objects."""
    file = io.BytesIO()
    np.savez(file, state_dict=np.array([Code(marker)], dtype=object))
    return file.getvalue()


@cache
def _zeros_in_little() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open('archive/data.pkl', 'w') as member:
            for _ in range(512):
                member.write(bytes(2**20))
        archive.writestr('archive/version', '3\n')
    return file.getvalue()


def bomb(marker: Path) -> bytes:
    """A zip file of 2 MiB that unpacks to 512."""
    return _zeros_in_little()


def absurd_header(marker: Path) -> bytes:
    """A file of safetensors whose header would have 8 EiB."""
    return struct.pack('<Q', 2**63 - 1) + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


def _saved(marker: Path, **options) -> bytes:
    file = io.BytesIO()
    torch.save({'state_dict': {}, 'x': Code(marker)}, file, **options)
    return file.getvalue()


CHECKPOINTS: dict[str, Callable[[Path], bytes]] = {
    'zipped.pth': zipped,
    'legacy.pth': legacy,
    'latest_protocol.pth': latest_protocol,
    'bare.pth': bare,
    'tarred.pth': tarred,
    'objects.pth': objects,
    'bomb.pth': bomb,
    'absurd_header.safetensors': absurd_header,
}
"""By the name of the file, which gets the folder that its code would make."""
