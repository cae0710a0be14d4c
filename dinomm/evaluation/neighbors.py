"""The nearest neighbours of features by cosine similarity, exact, in bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# One block of similarities is at most this many rows by columns: 64 MiB in float32.
QUERY_CHUNK = 1024
SUPPORT_CHUNK = 16384


Search = Literal['torch', 'faiss']


class Neighbors(NamedTuple):
    """The support images nearest to each query, nearest first.

    Attributes:
        cosine: (Q, k) float32 similarities.
        row: (Q, k) their rows in the support set.
    """

    cosine: Tensor
    row: Tensor


def _check_features(support: Tensor, queries: Tensor) -> None:
    for name, features in (('support', support), ('query', queries)):
        if features.ndim != 2:
            raise ValueError(
                f'{name} features have the shape {tuple(features.shape)}: expected (images, width)'
            )
    if support.shape[1] != queries.shape[1]:
        raise ValueError(
            f'support features are {support.shape[1]} wide, query features {queries.shape[1]}: '
            'extract both with the same network'
        )
    if len(support) == 0:
        raise ValueError('the support set of k-NN is empty: give it at least one labelled image')


def _normalized(features: Tensor, device: torch.device) -> Tensor:
    features = F.normalize(features.to(device).float(), dim=1)
    if not features.isfinite().all():
        raise ValueError('features for k-NN hold NaN or infinity: the network has diverged')
    return features


@contextmanager
def _full_float32_matmul(device: torch.device) -> Iterator[None]:
    """Neither autocast nor TF32: rounded similarities change who is a neighbour."""
    matmul = torch.backends.cuda.matmul
    # torch 2.9 replaced allow_tf32 and refuses to read it once the new name was used.
    name, exact = (
        ('fp32_precision', 'ieee') if hasattr(matmul, 'fp32_precision') else ('allow_tf32', False)
    )
    before = getattr(matmul, name)
    setattr(matmul, name, exact)
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        setattr(matmul, name, before)


@torch.no_grad()
def nearest_neighbors(
    support: Tensor, queries: Tensor, k: int, search: Search = 'torch'
) -> Neighbors:
    """The ``k`` support rows of largest cosine similarity to each query.

    Both sides are L2-normalised here, in float32. The similarities are made in blocks and merged
    into a running top-k, so memory does not grow with Q x N. Support features may lie on another
    device than the queries: they are brought over block by block.

    Args:
        support: (N, C) features.
        queries: (Q, C) features; the work is done on their device.
        k: Number of neighbours; N if it is larger than that.
        search: 'faiss': by its flat index, on the CPU, which holds the support set in float32.

    Raises:
        ValueError: Widths differ, the support set is empty, a feature is not finite, or faiss is
            asked for and not installed.
    """
    _check_features(support, queries)
    k = min(k, len(support))
    if search == 'faiss':
        return _search_by_faiss(support, queries, k)
    device = queries.device
    cosine = torch.empty(len(queries), 0, device=device)
    row = torch.empty(len(queries), 0, dtype=torch.long, device=device)
    queries = _normalized(queries, device)
    with _full_float32_matmul(device):
        for start in range(0, len(support), SUPPORT_CHUNK):
            block = _normalized(support[start : start + SUPPORT_CHUNK], device)
            merged = [
                _merge(rows @ block.T, start, kept, kept_index, k)
                for rows, kept, kept_index in zip(
                    queries.split(QUERY_CHUNK),
                    cosine.split(QUERY_CHUNK),
                    row.split(QUERY_CHUNK),
                    strict=True,
                )
            ]
            cosine = torch.cat([found.cosine for found in merged])
            row = torch.cat([found.row for found in merged])
    return Neighbors(cosine, row)


def _merge(block: Tensor, start: int, cosine: Tensor, row: Tensor, k: int) -> Neighbors:
    """Top-k of the neighbours kept so far and a block of similarities to support[start:]."""
    top, column = block.topk(min(k, block.shape[1]), dim=1)
    cosine = torch.cat([cosine, top], dim=1)
    row = torch.cat([row, column + start], dim=1)
    top, column = cosine.topk(min(k, cosine.shape[1]), dim=1)
    return Neighbors(top, row.gather(1, column))


def _search_by_faiss(support: Tensor, queries: Tensor, k: int) -> Neighbors:
    try:
        import faiss
    except ImportError:
        raise ValueError(
            'search by faiss needs the package faiss-cpu or faiss-gpu: install it, or search by '
            "'torch', which gives the same neighbours"
        ) from None
    cpu = torch.device('cpu')
    index = faiss.IndexFlatIP(support.shape[1])
    for block in support.split(SUPPORT_CHUNK):
        index.add(_normalized(block, cpu).numpy())
    cosine = torch.empty(len(queries), k)
    row = torch.empty(len(queries), k, dtype=torch.long)
    for start in range(0, len(queries), QUERY_CHUNK):
        rows = slice(start, start + QUERY_CHUNK)
        found = index.search(_normalized(queries[rows], cpu).numpy(), k)
        cosine[rows], row[rows] = map(torch.from_numpy, found)
    return Neighbors(cosine.to(queries.device), row.to(queries.device))
