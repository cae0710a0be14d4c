import pytest
from mmengine import Config

from dinomm.doctor.estimates import (
    disk_findings,
    estimate,
    memory_findings,
    speed_findings,
)
from dinomm.doctor.images import ImageSample
from dinomm.doctor.loader import LoaderSpeed
from dinomm.doctor.machine import GPU, Machine
from dinomm.doctor.plan import make_plan
from dinomm.doctor.settings import checkpoints_kept

CONFIG = dict(
    model=dict(),
    work_dir='work',
    train_dataloader=dict(batch_size=100, drop_last=True, dataset=dict()),
    train_cfg=dict(max_epochs=36, val_interval=12),
    val_cfg=dict(),
    optim_wrapper=dict(type='DINOAmpOptimWrapper', optimizer=dict(lr=1)),
    default_hooks=dict(
        checkpoint=dict(
            type='ResumableCheckpointHook', interval=2, max_keep_ckpts=2, save_best='knn/top1_k20'
        )
    ),
)
ONE_GPU = Machine('', 16, 2**35, 2**30, (GPU('A', 8 * 2**30, True),), '1', {})
NO_GPU = ONE_GPU._replace(cores=2, gpus=(), driver=None)
STEP = dict(
    seconds=0.5,
    batch_size=100,
    device='cuda:0',
    threads=1,
    peak_bytes=6 * 2**30,
    free_bytes=8 * 2**30,
    checkpoint_bytes=10**9,
    checkpoint_seconds=1.0,
    validation=dict(images=36_000, seconds_an_image=0.1),
)


def cost(rate, workers=4, machine=ONE_GPU, step=STEP, changes=None, processes=1):
    config = Config(CONFIG)
    config.merge_from_dict(changes or {})
    plan = make_plan(config, 100_000, processes)
    loader = LoaderSpeed(rate, workers, 100, 1000, 2)
    found = estimate(config, plan, machine, loader, step)
    return found, [*speed_findings(config, plan, machine, loader, found, None)]


def test_slow_loader():
    found, findings = cost(100.0)
    assert found.bottleneck == 'loader' and found.images_per_s == pytest.approx(100)
    assert found.train_hours == pytest.approx(36 * 100_000 / 100 / 3600)
    text = findings[0].text
    assert 'gives 100 images/s and the step could take 200' in text
    assert 'waits 50% of the time' in text and 'num_workers=8 (there are 16 cores)' in text


def test_slow_step():
    found, findings = cost(1000.0)
    assert found.bottleneck == 'step' and found.images_per_s == pytest.approx(200)
    assert findings == []


def test_process_that_loads_itself_does_one_after_the_other():
    found, findings = cost(200.0, workers=0)
    assert found.images_per_s == pytest.approx(100)
    assert 'train_dataloader.num_workers=4' in findings[0].text


def test_on_a_cpu_both_take_turns():
    step = {**STEP, 'device': 'cpu', 'threads': 2, 'free_bytes': None}
    found, findings = cost(200.0, workers=2, machine=NO_GPU, step=step)
    assert found.bottleneck == 'cores' and found.images_per_s == pytest.approx(100)
    assert not [one for one in findings if one.subject == 'loader']


def test_more_processes_are_faster():
    found, _ = cost(1000.0, processes=4)
    assert found.images_per_s == pytest.approx(800)
    assert found.train_hours == pytest.approx(cost(1000.0)[0].train_hours / 4)


def test_hours_of_validation_and_of_checkpoints():
    found, _ = cost(1000.0)
    assert found.validation_hours == pytest.approx(3 * 1.0)
    assert found.checkpoint_hours == pytest.approx(18 / 3600)
    assert found.hours == pytest.approx(5 + 3 + 18 / 3600)


def test_no_more_cores_for_workers():
    machine = ONE_GPU._replace(cores=4)
    config = Config(CONFIG)
    config.train_dataloader.dataset.pipeline = [
        dict(type='MultiCrop', views=[dict(size=224), dict(size=224), dict(size=96, num=8)])
    ]
    plan, loader = make_plan(config, 100_000, 1), LoaderSpeed(100.0, 4, 100, 1000, 2)
    found = estimate(config, plan, machine, loader, STEP)
    sample = ImageSample(10, 10, (), 500.0, 0.03)
    (finding,) = speed_findings(config, plan, machine, loader, found, sample)
    assert 'num_workers' not in finding.text
    for words in (
        '30 of the 40 ms',
        'tools/pack_shards.py',
        'recolor_on_device',
        'fewer local',
        'deferred=True',
    ):
        assert words in finding.text


def test_too_many_workers():
    _, findings = cost(1000.0, workers=64)
    assert '64 workers share 16 cores' in findings[0].text


def test_long_run_and_rare_checkpoints():
    _, findings = cost(2.0, changes={'default_hooks.checkpoint.interval': 30})
    found = {one.subject: one.text for one in findings}
    assert 'a kill loses up to' in found['checkpoints'] and 'interval=72 ' in found['checkpoints']
    assert '503 hours' in found['hours']


def memory(step=STEP, too_large=(), machine=ONE_GPU, batch_bytes=1000, wrapper=None):
    config = Config(CONFIG)
    config.merge_from_dict({'optim_wrapper.type': wrapper} if wrapper else {})
    plan = make_plan(config, 100_000, 1)
    loader = LoaderSpeed(100.0, 4, 100, batch_bytes, 2)
    return [*memory_findings(config, plan, machine, loader, step, too_large)]


def test_memory_that_fits():
    assert memory() == []


def test_out_of_memory_says_what_fits():
    (finding,) = memory({**STEP, 'batch_size': 25}, too_large=(100, 50))
    assert finding.level == 'fault'
    assert 'a batch of 100 does not fit, 25 does' in finding.text
    assert 'batch_size=25 optim_wrapper.accumulative_counts=4 (effective batch 100)' in finding.text


def test_out_of_memory_with_any_batch():
    (finding,) = memory(None, too_large=(2, 1))
    assert 'not even a batch of 1' in finding.text


@pytest.mark.parametrize(
    ('peak', 'words'), [(7.9, '99% of the GPU'), (2, 'train_dataloader.batch_size=300 would fit')]
)
def test_memory_nearly_full_or_empty(peak, words):
    (finding,) = memory({**STEP, 'peak_bytes': peak * 2**30})
    assert words in finding.text


def test_float32_on_a_gpu():
    assert '--amp is faster' in memory(wrapper='DINOOptimWrapper')[0].text
    old = ONE_GPU._replace(gpus=(GPU('V', 8 * 2**30, False),))
    assert '--amp float16' in memory(wrapper='DINOOptimWrapper', machine=old)[0].text


def test_shared_memory_of_a_container():
    (finding,) = memory(batch_bytes=2**27)
    assert finding.level == 'fault' and '1,152 MiB, and /dev/shm has 1,024' in finding.text


def test_disk():
    config = Config(CONFIG)
    found, _ = cost(1000.0)
    assert checkpoints_kept(config, make_plan(config, 100_000, 1)) == 4  # two, the best, a new one
    assert found.disk_bytes == 4 * 10**9
    assert disk_findings_of(found, 5.1e9) == []
    assert disk_findings_of(found, 4.5e9) == ['advice']
    assert disk_findings_of(found, 3.9e9) == ['fault']


def disk_findings_of(found, free):
    return [one.level for one in disk_findings(Config(CONFIG), found, int(free))]


def test_all_checkpoints_kept():
    config = Config(CONFIG)
    config.default_hooks.checkpoint.update(max_keep_ckpts=-1, save_best=None)
    assert checkpoints_kept(config, make_plan(config, 100_000, 1)) == 19
