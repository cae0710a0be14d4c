import functools

import pytest
import torch

from dinomm.signatures import accepted_arguments


class Base:
    def __init__(self, width, depth=2):
        self.width, self.depth = width, depth


class PassesOn(Base):
    def __init__(self, *args, rate=0.1, **kwargs):
        super().__init__(*args, **kwargs)


class NoConstructor(PassesOn):
    pass


class NamesItself(Base):
    def __init__(self, rate, **options):
        super(NamesItself, self).__init__(**options)  # noqa: UP008


class KeepsSome(Base):
    def __init__(self, **kwargs):
        self.rate = kwargs.pop('rate')
        super().__init__(**kwargs)


class HandsElsewhere(Base):
    def __init__(self, **kwargs):
        super().__init__(1)
        self.part = Base(**kwargs)


class SkipsOne(PassesOn):
    def __init__(self, **kwargs):
        super(PassesOn, self).__init__(**kwargs)


def renamed(constructor):
    @functools.wraps(constructor)
    def wrapper(self, old_width=None, **kwargs):
        constructor(self, old_width, **kwargs)

    return wrapper


class Decorated(Base):
    @renamed
    def __init__(self, width):
        super().__init__(width)


def function(images, size=3, *, flip=False):
    return images, size, flip


def open_function(images, **kwargs):
    return images, kwargs


@pytest.mark.parametrize(
    ('target', 'names'),
    [
        (Base, {'width', 'depth'}),
        (PassesOn, {'width', 'depth', 'rate'}),
        (NoConstructor, {'width', 'depth', 'rate'}),
        (NamesItself, {'width', 'depth', 'rate'}),
        (KeepsSome, None),
        (HandsElsewhere, None),
        (SkipsOne, None),
        (Decorated, None),
        (torch.nn.Identity, None),
        (function, {'images', 'size', 'flip'}),
        (functools.partial(function, size=4), {'images', 'size', 'flip'}),
        (open_function, None),
        (dict, None),
    ],
)
def test_accepted_arguments(target, names):
    assert accepted_arguments(target) == names


def test_optimizer():
    assert {'params', 'lr', 'betas', 'weight_decay'} <= accepted_arguments(torch.optim.AdamW)
