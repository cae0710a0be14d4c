"""Linear probes on frozen features, a grid of them side by side on one pass over the data.

DINO (arXiv:2104.14294, section 4.1) and EsViT train one classifier; DINOv2 (arXiv:2304.07193,
appendix B.3) many, for several learning rates and numbers of blocks. Published: SGD with momentum
.9 and no weight decay, cosine to 0, weights N(0, .01).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_dist_info, get_world_size
from torch import Tensor, nn

from dinomm.progress import Countdown

LEARNING_RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)
"""DINOv2's, for a batch of 256 images; DINO's is among them."""

BLOCKS = (1, 4)
MOST_LOGITS = 2**25
"""So many are computed at once, 128 MiB in float32."""

Batches = Iterable[tuple[Tensor, Tensor]]


class Variant(NamedTuple):
    """Which features a probe reads: so many of the last blocks, and the mean of the patches."""

    blocks: int
    patches: bool = False


class Probe(NamedTuple):
    """One classifier of the grid."""

    variant: Variant
    learning_rate: float


def columns(variant: Variant, widths: Sequence[int], has_patches: bool) -> slice | Tensor:
    """The columns of a row of features that a variant reads.

    Args:
        variant: What it reads.
        widths: Of the blocks' parts, the last one last, and then of the patches' if there are.
        has_patches: Whether the last part is the patches'.

    Raises:
        ValueError: The row holds fewer blocks, or no patches.
    """
    starts = [sum(widths[:i]) for i in range(len(widths) + 1)]
    blocks = len(widths) - has_patches
    if not 1 <= variant.blocks <= blocks:
        raise ValueError(f'{variant.blocks} blocks were asked for: the features hold {blocks}')
    if variant.patches and not has_patches:
        raise ValueError('the features hold no mean of the patches')
    first, end = starts[blocks - variant.blocks], starts[blocks]
    if not variant.patches:
        return slice(first, end)
    return torch.cat([torch.arange(first, end), torch.arange(end, starts[-1])])


class LinearProbes(nn.Module):
    """All classifiers of a grid.

    Args:
        variants: What they read; each is trained with every learning rate.
        learning_rates: For a batch of 256 images.
        widths: See `columns`.
        has_patches: See `columns`.
        num_classes: K.
        seed: Of the weights.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        learning_rates: Sequence[float],
        widths: Sequence[int],
        has_patches: bool,
        num_classes: int,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.probes = [Probe(variant, lr) for variant in variants for lr in learning_rates]
        self._columns = [columns(variant, widths, has_patches) for variant in variants]
        generator = torch.Generator().manual_seed(seed)
        rates, rows = len(learning_rates), torch.empty(1, sum(widths))
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for read in self._columns:
            width = rows[:, read].shape[1]
            weight = torch.empty(rates, num_classes, width).normal_(0, 0.01, generator=generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(rates, 1, num_classes)))

    def head(self, number: int) -> tuple[Tensor, Tensor, Probe]:
        """Weight (K, C), bias (K,) and description of one probe."""
        rates = len(self.weights[0])
        variant, rate = divmod(number, rates)
        bias = self.biases[variant][rate, 0]
        return self.weights[variant][rate].detach(), bias.detach(), self.probes[number]

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (P, B, K) of all P probes for features (B, C)."""
        return torch.cat(
            [
                rows[:, read] @ weight.mT + bias
                for read, weight, bias in zip(self._columns, self.weights, self.biases, strict=True)
            ]
        )


class Outcome(NamedTuple):
    """The probe that was best on the held-out images, at some epoch.

    Attributes:
        probe: Its place in the grid.
        epoch: After which it was, from 1.
        held_out: Its accuracy there, percent.
        state: Weights of the whole grid then.
    """

    probe: int
    epoch: int
    held_out: float
    state: dict[str, Tensor]


class Training(NamedTuple):
    """What a training gave.

    Attributes:
        best: Over all epochs.
        last: After the last one.
        accuracies: (epochs, P) percent on the held-out images.
    """

    best: Outcome
    last: Outcome
    accuracies: Tensor


def train_probes(
    probes: LinearProbes,
    epoch_batches: Callable[[int], Batches],
    held_out: tuple[Tensor, Tensor],
    epochs: int,
    steps: int,
    batch_size: int,
    tell: Callable[[str], None] = print,
) -> Training:
    """Trains all probes on the same batches; gradients are averaged over the processes.

    Args:
        probes: On the device where the work is done.
        epoch_batches: Features (B, C) and classes (B,) of this process's batches of an epoch.
        held_out: Features and classes of images that are not trained on.
        epochs: How many.
        steps: Batches of an epoch.
        batch_size: Of all processes together: the learning rates are for 256 images.
        tell: Takes lines about how far it is.

    Raises:
        ValueError: Numbers that are not positive, or no probe learns: the loss diverges.
    """
    if epochs < 1 or steps < 1:
        raise ValueError(f'{epochs} epochs of {steps} steps: expected at least one of each')
    device = probes.weights[0].device
    # Of a sum of losses, each times its learning rate, SGD's step is each probe's own.
    rates = torch.tensor([p.learning_rate for p in probes.probes], device=device)
    rates = rates * batch_size / 256
    optimizer = torch.optim.SGD(probes.parameters(), lr=1.0, momentum=0.9, weight_decay=0)
    countdown = Countdown('steps of the linear probes', epochs * steps, tell)
    accuracies, best = [], None
    for epoch in range(epochs):
        batches = iter(epoch_batches(epoch))
        for step, (rows, classes) in enumerate(batches):
            done = (epoch * steps + step) / (epochs * steps)
            optimizer.param_groups[0]['lr'] = 0.5 * (1 + math.cos(math.pi * done))
            _step(probes, optimizer, rows.to(device).float(), classes.to(device), rates)
            countdown.add(1)
        accuracy = probe_accuracies(probes, *held_out)
        accuracies.append(accuracy)
        probe = int(accuracy.argmax())
        if best is None or accuracy[probe] > best.held_out:
            best = _outcome(probes, probe, epoch, accuracy)
    last = _outcome(probes, probe, epochs - 1, accuracy)
    return Training(best or last, last, torch.stack(accuracies))


def _step(
    probes: LinearProbes,
    optimizer: torch.optim.Optimizer,
    rows: Tensor,
    classes: Tensor,
    rates: Tensor,
) -> None:
    logits = probes(rows)
    losses = F.cross_entropy(
        logits.flatten(0, 1), classes.repeat(len(logits)), reduction='none'
    ).view(len(logits), -1)
    optimizer.zero_grad()
    (losses.mean(1) * rates).sum().backward()
    if get_world_size() > 1:
        for parameter in probes.parameters():
            all_reduce(parameter.grad, 'mean')
    optimizer.step()


def _outcome(probes: LinearProbes, probe: int, epoch: int, accuracy: Tensor) -> Outcome:
    state = {name: tensor.detach().cpu().clone() for name, tensor in probes.state_dict().items()}
    return Outcome(probe, epoch + 1, float(accuracy[probe]), state)


@torch.no_grad()
def probe_ranks(probes: LinearProbes, rows: Tensor, classes: Tensor) -> Tensor:
    """(P, N) place of each image's class among the logits, from 0, of equal ones the last.

    Args:
        probes: P of them.
        rows: (N, C) features.
        classes: (N,) as trained; -1 for one that was not: its place is K.
    """
    device, found = probes.weights[0].device, []
    size = max(1, MOST_LOGITS // (len(probes.probes) * probes.biases[0].shape[-1]))
    for chunk, wanted in zip(rows.split(size), classes.split(size), strict=True):
        logits = probes(chunk.to(device).float())
        wanted = wanted.to(device).expand(len(logits), -1)
        own = logits.gather(2, wanted.clamp(min=0)[..., None])
        # not '>': a NaN is above nothing, and would make its class the first
        rank = (~(logits < own)).sum(2) - 1
        found.append(torch.where(wanted < 0, logits.shape[2], rank))
    return torch.cat(found, dim=1).cpu()


def probe_accuracies(probes: LinearProbes, rows: Tensor, classes: Tensor) -> Tensor:
    """(P,) top-1 in percent; the processes share the images out."""
    rank, processes = get_dist_info()
    ranks = probe_ranks(probes, rows[rank::processes], classes[rank::processes])
    hits = (ranks == 0).sum(1)
    all_reduce(hits)
    return 100 * hits / len(rows)


def shuffled_batches(
    rows: Tensor, classes: Tensor, batch_size: int, seed: int
) -> Callable[[int], Iterator[tuple[Tensor, Tensor]]]:
    """Batches of cached features, in an order of its own for each epoch.

    Args:
        rows: (N, C) features.
        classes: (N,) integers.
        batch_size: Of this process; the processes share each batch of all out.
        seed: Of the orders.
    """
    rank, processes = get_dist_info()

    def of_epoch(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(rows), generator=generator)
        order = order[: len(rows) // processes * processes][rank::processes]
        for chosen in order.split(batch_size):
            yield rows[chosen], classes[chosen]

    return of_epoch


def held_out_rows(labels: Tensor, share: float, seed: int) -> Tensor:
    """(N,) whether an image is held out: of each class the share, at least one of two or more.

    Raises:
        ValueError: The share is not between 0 and 1, or every class has one image only.
    """
    if not 0 < share < 1:
        raise ValueError(f'the held-out share is {share}: expected a number between 0 and 1')
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        of_class = order[labels[order] == label]
        if len(of_class) > 1:
            held_out[of_class[: max(1, round(share * len(of_class)))]] = True
    if not held_out.any():
        raise ValueError(
            'every class has one image only, so none can be held out to choose by: give more'
        )
    return held_out
