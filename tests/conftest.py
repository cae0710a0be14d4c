import itertools
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

import dinomm.registry  # noqa: F401  # what it sets, no test that imports mmpretrain can miss

GOLDEN = Path(__file__).parent / 'data/golden'
GLOBAL_SIZE, LOCAL_SIZE = 16, 8


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _scope():
    """A Runner sets the scope of bare names for good: no test hands it to the next."""
    scopes = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)


@pytest.fixture
def golden():
    return GOLDEN


@pytest.fixture
def tiny_model():
    """Makes the config of a model that is as small as a ViT and a DINO head can be."""

    def config(head=None, **options):
        return {
            'type': 'dinomm.SelfDistillation',
            '_scope_': 'dinomm',
            'backbone': {
                'type': 'DINOVisionTransformer',
                'arch': {
                    'embed_dims': 12,
                    'num_layers': 2,
                    'num_heads': 2,
                    'feedforward_channels': 24,
                },
                'img_size': GLOBAL_SIZE,
                'patch_size': 8,
            },
            'heads': {
                'view': {
                    'type': 'DINOHead',
                    'in_channels': 12,
                    'num_prototypes': 20,
                    'hidden_channels': 16,
                    'bottleneck_channels': 8,
                    **(head or {}),
                }
            },
            **options,
        }

    return config


class Views(torch.utils.data.Dataset):
    """Random images, each as two global and two local views."""

    metainfo: dict = {}

    def __init__(self, length):
        generator = torch.Generator().manual_seed(1)
        sizes = (GLOBAL_SIZE, GLOBAL_SIZE, LOCAL_SIZE, LOCAL_SIZE)
        self.views = [
            torch.randint(256, (length, 3, s, s), generator=generator, dtype=torch.uint8)
            for s in sizes
        ]

    def __len__(self):
        return len(self.views[0])

    def __getitem__(self, index):
        return [view[index] for view in self.views]


def collate(samples):
    views = zip(*samples, strict=True)
    return {'inputs': [torch.stack(view) for view in views], 'data_samples': None}


class InOrder(torch.utils.data.Sampler):
    """The data set's order; the next epoch can start anywhere."""

    def __init__(self, length):
        self.length, self.start, self.starts = length, 0, []

    def start_at(self, position):
        self.start = position
        self.starts.append(position)

    def __len__(self):
        return self.length

    def __iter__(self):
        start, self.start = self.start, 0
        return iter(range(start, self.length))


@pytest.fixture
def views():
    """Makes the data set of random views."""
    return Views


@pytest.fixture
def batch():
    """Makes a batch as the data loader gives it."""
    return lambda size=3: collate([Views(size)[i] for i in range(size)])


@pytest.fixture
def make_loader():
    """Makes a data loader over random views, in their order."""

    def loader(length=8, batch_size=2, **options):
        sampler = options.pop('sampler', None) or InOrder(length)
        return torch.utils.data.DataLoader(
            Views(length), batch_size, sampler=sampler, collate_fn=collate, **options
        )

    return loader


@pytest.fixture
def make_runner(tmp_path, tiny_model, make_loader):
    """Makes a Runner of a tiny model over four steps an epoch; keywords replace its parts."""
    from mmengine.runner import Runner

    from dinomm import registry  # noqa: F401

    counter = itertools.count()

    def runner(wrapper=None, teacher=None, hooks=(), model=None, **options):
        number = next(counter)
        settings = {
            'model': tiny_model(**(model or {})) if isinstance(model, dict | None) else model,
            'work_dir': str(tmp_path / str(number)),
            'experiment_name': f'{tmp_path.name}_{number}',
            'train_dataloader': make_loader(),
            'train_cfg': {'type': 'ResumableEpochLoop', 'max_epochs': 2},
            'optim_wrapper': {
                'type': 'DINOOptimWrapper',
                'constructor': 'TwoGroupConstructor',
                'optimizer': {'type': 'AdamW', 'lr': 1e-2, 'weight_decay': 0.04},
                **(wrapper or {}),
            },
            'default_hooks': {
                'runtime_info': {'type': 'IntervalRuntimeInfoHook'},
                'param_scheduler': {'type': 'OptimizerStepHook'},
                'logger': {'type': 'LoggerHook', 'interval': 2},
                'checkpoint': None,
            },
            'custom_hooks': [
                {'type': 'TeacherEMAHook', 'momentum': 0.9, **(teacher or {})},
                *hooks,
            ],
            'default_scope': 'dinomm',
            'log_level': 'ERROR',
            'randomness': {'seed': 0},
            **options,
        }
        return Runner(**settings)

    return runner
