"""A run goes on from a backbone without heads, or at another image size."""

import math
import signal

import pytest
import timm
import torch
from mmengine.hooks import Hook

from dinomm.models.preprocessor import ViewGroup

from . import tiny
from .processes import run_on, run_tool
from .test_two_phases import Watch, moved

BACKBONE = """
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9),
    dict(type='ContinueHook', backbone={file!r}, freeze_backbone=3, freeze_last_layer=0),
    dict(type='FeatureDriftHook', num_images=5, interval=2),
]
optim_wrapper = dict(
    clip_grad=dict(_delete_=True, max_norm=0.5, per='part'),
    paramwise_cfg=dict(layer_decay=0.8, patch_embed_lr=0.2),
)
"""
EVERYTHING = (
    BACKBONE.replace('freeze_backbone=3', 'freeze_backbone=1')
    + """
model = dict(
    backbone=dict(drop_path_rate=0.3),
    heads=dict(gram=dict(type='GramHead')),
)
custom_hooks += [
    dict(
        type='GramAnchorHook', begin=1, refresh=2, max_refreshes=1, by_step=True, load_from={file!r}
    ),
    dict(type='KilledAt', iteration=0),
]
train_dataloader = dict(sampler=dict(epoch_size=40))
train_cfg = dict(max_epochs=2)
custom_imports = dict(imports=['tests.integration.processes'])
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=1))
optim_wrapper['accumulative_counts'] = 2
"""
)
SIZE = """
for __view, __size in zip(_base_.train_dataloader.dataset.pipeline[1].views, {sizes}):
    __view.size = __size
model = dict(backbone=dict(img_size={sizes[0]}, patch_size=7, positions={positions!r}))
"""
STAGE = (
    SIZE
    + """
train_dataloader = dict(sampler=dict(epoch_size=40))
train_cfg = dict(max_epochs=2)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
optim_wrapper = dict(optimizer=dict(lr=1e-5), freeze_last_layer=0)
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.99),
    dict(type='ContinueHook', schedules='restart'),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3))
"""
)
SAVED = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """timm's names, a grid of 8x8 where the config has 4x4."""
    vit = timm.create_model(
        'vit_tiny_patch16_224',
        img_size=32,
        patch_size=4,
        embed_dim=24,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        num_classes=0,
    )
    path = tmp_path_factory.mktemp('published') / 'vit.pth'
    torch.save(vit.state_dict(), path)
    return path


def watched(config, work_dir, **options):
    options = {key.replace('__', '.'): value for key, value in options.items()}
    runner = tiny.build(config, work_dir, options)
    watch = Watch()
    runner.register_hook(watch)
    runner.train()
    return runner, watch


# ---- from a backbone


def test_both_networks_begin_with_the_published_backbone(published, data, tmp_path):
    config = tiny.write_config(tmp_path / 'x.py', data, BACKBONE.format(file=str(published)))
    runner, watch = watched(config, tmp_path / 'work')
    assert watch.start == (0, 0, 0) and runner.iter == 12
    student, teacher = watch.states[0]
    file = torch.load(published, weights_only=True)
    assert torch.equal(
        student['backbone.layers.1.attn.qkv.weight'], file['blocks.1.attn.qkv.weight']
    )
    table = runner.model.backbone.resized_positions(file['pos_embed'])
    assert torch.equal(student['backbone.pos_embed'], table)
    for name, tensor in student.items():
        assert torch.equal(tensor, teacher[name]), name
    assert student['heads.view.projector.0.weight'].any()
    # the heads warm up before the backbone moves
    assert moved(watch.states, 'backbone.') == [False] * 3 + [True] * 9
    assert all(moved(watch.states, 'heads.'))
    (log,) = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text()
    assert f'continued from {published}' in text
    assert 'pos_embed resized from (1, 65, 24) to (1, 17, 24)' in text


def test_drift_is_logged(published, data, tmp_path):
    config = tiny.write_config(tmp_path / 'x.py', data, BACKBONE.format(file=str(published)))
    plain = config.with_name('plain.py')
    plain.write_text(
        config.read_text().replace(
            "    dict(type='FeatureDriftHook', num_images=5, interval=2),\n", ''
        )
    )
    assert plain.read_text() != config.read_text()
    tiny.train(config, tmp_path / 'work', {'custom_hooks.2.interval': 5})
    for network in ('student', 'teacher'):
        distances = tiny.logged(tmp_path / 'work', f'drift/{network}_cosine')
        similarities = tiny.logged(tmp_path / 'work', f'drift/{network}_cka')
        assert len(distances) == len(similarities) == 3  # steps 5, 10 and the last
        assert 0 < distances[0] < distances[-1] < 1
        assert 0 < similarities[-1] < 1
    tiny.train(config, tmp_path / 'frozen', {'custom_hooks.1.freeze_backbone': 100})
    assert tiny.logged(tmp_path / 'frozen', 'drift/student_cosine') == pytest.approx(
        [0] * 6, abs=1e-6
    )
    assert tiny.logged(tmp_path / 'frozen', 'drift/teacher_cka') == pytest.approx([1] * 6, abs=1e-6)
    # training goes on as if nothing had been measured
    tiny.train(plain, tmp_path / 'plain')
    assert tiny.logged(tmp_path / 'plain') == tiny.logged(tmp_path / 'work')


def test_everything_killed_and_resumed(published, data, tmp_path):
    """Inside an epoch and an accumulation window, when backbone and teacher have moved on."""
    extra = EVERYTHING.replace('{file!r}', repr(str(published)))
    config = tiny.write_config(tmp_path / 'x.py', data, extra)
    tiny.train(config, tmp_path / 'whole')
    work = ('--work-dir', tmp_path / 'killed')
    killed = run_tool(
        'train.py', config, *work, '--cfg-options', 'custom_hooks.4.iteration=9', cwd=tmp_path
    )
    assert killed.status == -signal.SIGKILL, killed.err
    resumed = run_tool('train.py', config, *work, '--resume', cwd=tmp_path)
    assert resumed.status == 0, resumed.err
    whole, again = (tiny.last_checkpoint(tmp_path / name) for name in ('whole', 'killed'))
    for part in (*SAVED, 'anchor_state_dict', 'drift_start'):
        tiny.assert_identical(again[part], whole[part], part)
    assert whole['meta']['anchors_taken'] == again['meta']['anchors_taken'] == 2
    losses = tiny.logged(tmp_path / 'whole', 'loss_gram')
    assert len(losses) == 10 and losses[:2] == [0, 0] and all(losses[2:])
    assert tiny.logged(tmp_path / 'killed', 'loss_gram')[9:] == losses[8:]
    for key in ('drift/student_cosine', 'drift/teacher_cka'):
        values = tiny.logged(tmp_path / 'whole', key)
        assert tiny.logged(tmp_path / 'killed', key) == values and len(values) == 3


def test_a_backbone_on_two_processes_equals_one(published, data, tmp_path):
    extra = (
        BACKBONE.format(file=str(published))
        + 'train_dataloader = dict(sampler=dict(epoch_size=40))'
    )
    config = tiny.write_config(tmp_path / 'x.py', data, extra)
    options = {**tiny.COMPARED, 'train_cfg.max_epochs': 2}
    tiny.train(config, tmp_path / 'one', options)
    options['train_dataloader.batch_size'] = tiny.BATCH // 2
    arguments = ['--work-dir', tmp_path / 'two', '--cfg-options', *tiny.as_arguments(options)]
    ends = run_on(2, 'train.py', config, *arguments, cwd=tmp_path)
    assert [end.status for end in ends] == [0, 0], ends[0].err
    for key in ('loss', 'drift/teacher_cosine'):
        one, two = (tiny.logged(tmp_path / name, key) for name in ('one', 'two'))
        assert tiny.relative_error(two, one) < 1e-4
    assert len(tiny.logged(tmp_path / 'one')) == 10


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (['custom_hooks.1.backbone=nix.pth'], 'custom_hooks.1.backbone (ContinueHook) is nix.pth'),
        (['load_from=vit.pth'], 'both name weights to begin with'),
        (['custom_hooks.1.backbone=other.pth'], 'other.pth has no weight of model.backbone'),
        (['custom_hooks.2.interval=0'], 'FeatureDriftHook.interval is 0'),
        (['train_dataloader.sampler.epoch_size=0'], 'sampler.epoch_size is 0: expected a whole'),
        (['train_dataloader.sampler.epoch_size=3'], 'each process has 3 images'),
        (['optim_wrapper.clip_grad.per=head'], "'per': 'head'"),
        (['optim_wrapper.clip_grad.per_parameter=True'], 'per_parameter is now called per'),
        (['optim_wrapper.paramwise_cfg.patch_embed_lr=-1'], 'patch_embed_lr is -1'),
        (['model.heads.gram.type=GramHead'], "add dict(type='GramAnchorHook', begin=EPOCH)"),
    ],
    ids=str,
)
def test_wrong_use(published, data, tmp_path, options, sentence):
    extra = BACKBONE.format(file=str(published))
    config = tiny.write_config(tmp_path / 'x.py', data, extra)
    whole = torch.load(published, weights_only=True)
    torch.save(
        {'state_dict': {f'backbone.{name}': t for name, t in whole.items()}}, tmp_path / 'vit.pth'
    )
    torch.save({'a.b': torch.ones(2)}, tmp_path / 'other.pth')
    end = run_tool('train.py', config, '--work-dir', 'out', '--cfg-options', *options, cwd=tmp_path)
    assert end.status == 1 and 'Traceback' not in end.err, end.err
    assert sentence in end.err


# ---- at another image size


@pytest.fixture(scope='module', params=['table', 'rotary'])
def first(request, tmp_path_factory, data):
    """The work directory of a run at 28 pixels, and its kind of positions."""
    folder = tmp_path_factory.mktemp(request.param)
    extra = SIZE.format(sizes=(28, 28, 14), positions=request.param)
    config = tiny.write_config(folder / 'first.py', data, extra)
    tiny.train(config, folder / 'work', tiny.COMPARED)
    return folder / 'work', request.param


class Features(Hook):
    """What both networks say of images of 56 pixels before the first step."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(2, 3, 56, 56, generator=generator)

    def before_train(self, runner):
        self.seen = self.of(runner.model)

    def of(self, model):
        with torch.no_grad():
            networks = (model, model.teacher)
            found = [n.extract_feat([ViewGroup(self.images, 1)])[0] for n in networks]
        return [tokens.region for tokens in found]


def test_a_stage_at_twice_the_size(first, data, tmp_path):
    work, positions = first
    extra = STAGE.format(sizes=(56, 56, 28), positions=positions)
    config = tiny.write_config(tmp_path / 'stage.py', data, extra)
    options = {**tiny.COMPARED, 'load_from': str(work / 'epoch_3.pth')}
    runner = tiny.build(config, tmp_path / 'whole', options)
    features, watch = Features(), Watch()
    runner.register_hook(features, 'LOWEST')
    runner.register_hook(watch)
    runner.train()

    # the networks are what they were, for images of this size
    before = torch.load(work / 'epoch_3.pth', weights_only=True)
    small = tiny.build(work.parent / 'first.py', tmp_path / 'small', tiny.COMPARED).model
    for state, seen, network in zip(
        (before['ema_state_dict'], before['state_dict']),
        features.seen,
        watch.states[0],
        strict=True,
    ):
        state = {name.removeprefix('module.'): t for name, t in state.items() if name != 'steps'}
        small.load_state_dict(state)
        small.backbone.position_offset = 0.1
        with torch.no_grad():
            expected = small.extract_feat([ViewGroup(features.images, 1)])[0].region
        torch.testing.assert_close(seen, expected, atol=1e-5, rtol=1e-4)
        for name, tensor in state.items():
            if name != 'backbone.pos_embed':
                assert torch.equal(network[name], tensor), name
    if positions == 'table':
        assert runner.model.backbone.pos_embed.shape == (1, 65, 24)
        assert small.backbone.pos_embed.shape == (1, 17, 24)
    (log,) = (tmp_path / 'whole').glob('*/*.log')
    resized = 'backbone.pos_embed resized from (1, 17, 24) to (1, 65, 24)'
    assert log.read_text().count(resized) == (2 if positions == 'table' else 0)

    # two epochs of 40 of the 32 images, with schedules of their own
    losses = tiny.logged(tmp_path / 'whole')
    assert len(losses) == 10 and all(map(math.isfinite, losses))
    assert losses[0] == pytest.approx(tiny.logged(work)[-1], rel=0.05)
    rates = tiny.logged(tmp_path / 'whole', 'lr')
    assert rates[0] == 1e-5 and rates == sorted(rates, reverse=True)

    # resumed inside an epoch; the table is that of the stage
    options = {**tiny.COMPARED, 'load_from': str(tmp_path / 'whole/iter_6.pth'), 'resume': True}
    tiny.train(config, tmp_path / 'resumed', options)
    assert tiny.logged(tmp_path / 'resumed') == losses[6:]
    whole, resumed = (tiny.last_checkpoint(tmp_path / name) for name in ('whole', 'resumed'))
    for part in SAVED:
        tiny.assert_identical(resumed[part], whole[part], part)


def test_resume_resizes_nothing(first, data, tmp_path):
    work, positions = first
    if positions == 'rotary':
        pytest.skip('there is nothing to resize')
    extra = SIZE.format(sizes=(56, 56, 28), positions=positions)
    config = tiny.write_config(tmp_path / 'stage.py', data, extra)
    with pytest.raises(ValueError, match=r'another shape .*: backbone\.pos_embed'):
        tiny.train(config, tmp_path / 'x', {'load_from': str(work / 'epoch_1.pth'), 'resume': True})
