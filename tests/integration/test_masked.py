"""DINOv2's heads in whole runs: processes, micro-batches, a kill."""

import pytest
import torch

from . import tiny
from .exactness import KILLED, check_killed_and_resumed, train_on_two_processes
from .processes import run_tool

ONE_MASKED_VIEW = 1 / (2 * tiny.BATCH)


def masked(tmp_path, data, centering='SinkhornKnopp', share=0.5, patch='', extra=''):
    """Path of the tiny config with masks."""
    heads = tiny.MASKED.format(centering=centering, share=share, patch=patch)
    return tiny.write_config(tmp_path / 'masked.py', data, heads + extra)


@pytest.mark.parametrize('share', [0.5, ONE_MASKED_VIEW], ids=['half', 'one view'])
def test_two_processes_equal_one(share, tmp_path, data):
    """With one masked view a step, one process has none: it neither hangs nor changes a thing."""
    config = masked(tmp_path, data, share=share)
    runner = tiny.train(config, tmp_path / 'one', tiny.MASKED_COMPARED)
    losses = tiny.logged(tmp_path / 'one')
    assert runner.iter == len(losses) == 12
    train_on_two_processes(config, tmp_path / 'two', tiny.MASKED_COMPARED)
    for key in ('loss', 'loss_view', 'loss_patch', 'loss_koleo'):
        one, two = (tiny.logged(tmp_path / run, key) for run in ('one', 'two'))
        assert tiny.relative_error(two, one) < 1e-5, key
        assert any(one), key
    pair = [tiny.last_checkpoint(tmp_path / run) for run in ('two', 'one')]
    tiny.assert_close(*map(tiny.student_and_teacher, pair))


@pytest.mark.parametrize('patch', ['', "tied_to='view',"], ids=['untied', 'tied'])
def test_two_micro_batches_equal_one_batch(patch, tmp_path, data):
    """Up to Sinkhorn and KoLeo, which see the micro-batch."""
    config = masked(tmp_path, data, centering='MeanCentering', patch=patch)
    options = {**tiny.MASKED_COMPARED, 'model.heads.koleo.loss_weight': 0.0}
    tiny.train(config, tmp_path / 'whole', options)
    halves = {
        'optim_wrapper.accumulative_counts': 2,
        'train_dataloader.batch_size': tiny.BATCH // 2,
    }
    tiny.train(config, tmp_path / 'halves', options | halves)
    whole = tiny.logged(tmp_path / 'whole')
    losses = torch.tensor(tiny.logged(tmp_path / 'halves')).view(-1, 2).mean(1)
    assert tiny.relative_error(losses, whole) < 1e-5
    pair = [tiny.last_checkpoint(tmp_path / run) for run in ('halves', 'whole')]
    tiny.assert_close(*map(tiny.student_and_teacher, pair))


def test_killed_and_resumed_equals_uninterrupted(tmp_path, data):
    config = masked(tmp_path, data, patch="tied_to='view',", extra=KILLED)
    check_killed_and_resumed(config, tmp_path)


def test_swin(tmp_path, data):
    """Masks in cells of the last map."""
    swin = """
model = dict(
    backbone=dict(
        _delete_=True,
        type='FastSwinTransformer',
        mask_token=True,
        arch=dict(embed_dims=12, depths=[1, 2], num_heads=[1, 2]),
        out_indices=(1,),
        img_size=16,
        patch_size=2,
        window_size=2,
        pad_small_map=True,
        drop_path_rate=0.0,
    ),
    masking=dict(type='PatchMasking', min_cells=1),
    heads=dict(
        patch=dict(
            type='MaskedPatchHead',
            in_channels=24,
            hidden_channels=32,
            bottleneck_channels=16,
            num_prototypes=32,
        ),
    ),
)
"""
    config = tiny.write_config(tmp_path / 'swin.py', data, swin)
    tiny.train(config, tmp_path / 'work')
    assert all(tiny.logged(tmp_path / 'work', 'loss_patch'))
    token = tiny.last_checkpoint(tmp_path / 'work')['ema_state_dict']['module.backbone.mask_token']
    assert token.any()


WRONG = {
    'no masking': (
        ['model.masking=None'],
        'model.heads.patch (MaskedPatchHead) learns from masked',
    ),
    'no mask token': (
        ['model.backbone.mask_token=False'],
        'model.backbone of type DINOVisionTransformer cannot mask its input',
    ),
    'tied to nothing': (['model.heads.patch.tied_to=cls'], "tied_to is 'cls'"),
    'share': (['model.masking.share=2'], 'model.masking.share is 2'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_options(case, tmp_path, data):
    options, says = WRONG[case]
    end = run_tool('train.py', masked(tmp_path, data), '--cfg-options', *options, cwd=tmp_path)
    assert end.status == 1 and 'Traceback' not in end.err
    assert says in end.err
