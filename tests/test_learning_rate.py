import math

import pytest
from mmengine.config import Config

from dinomm.config_values import check_values
from dinomm.learning_rate import scale_lr


def config(**auto_scale_lr):
    return Config(
        dict(
            train_dataloader=dict(batch_size=8),
            optim_wrapper=dict(optimizer=dict(lr=0.4), accumulative_counts=3),
            auto_scale_lr=auto_scale_lr,
        )
    )


@pytest.mark.parametrize(
    ('rule', 'factor'),
    [({}, 240 / 60), ({'rule': 'linear'}, 240 / 60), ({'rule': 'sqrt'}, math.sqrt(240 / 60))],
)
def test_rules(rule, factor):
    scaled = config(base_batch_size=60, **rule)
    scale_lr(scaled, num_processes=10)
    assert scaled.optim_wrapper.optimizer.lr == pytest.approx(0.4 * factor)


def test_published_rate_of_dinov2():
    # .004 * sqrt(2048 / 1024) for 32 processes of 64
    scaled = config(base_batch_size=1024, rule='sqrt')
    scaled.optim_wrapper.update(optimizer=dict(lr=0.004), accumulative_counts=1)
    scaled.train_dataloader.batch_size = 64
    scale_lr(scaled, num_processes=32)
    assert scaled.optim_wrapper.optimizer.lr == pytest.approx(0.0056568542)


def test_wrong_use():
    with pytest.raises(ValueError, match=r"rule is 'root': expected one of \['linear', 'sqrt'\]"):
        scale_lr(config(base_batch_size=60, rule='root'), 1)
    with pytest.raises(ValueError, match=r'needs auto_scale_lr=dict\(base_batch_size'):
        scale_lr(Config(dict(train_dataloader=dict(batch_size=1))), 1)


def test_mmengines_own_scaling_knows_no_rule():
    check_values(config(base_batch_size=60, enable=True))
    check_values(config(base_batch_size=60, rule='sqrt'))
    with pytest.raises(ValueError, match=r'enable is True: .* no auto_scale_lr.rule'):
        check_values(config(base_batch_size=60, enable=True, rule='sqrt'))
