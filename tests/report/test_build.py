import re
import shutil
import tarfile
from datetime import datetime

import pytest

from dinomm.report.build import write_report
from tests.integration import processes, tiny

from .document import Document
from .runs import CONFIG, step, write_session

NOW = datetime(2026, 1, 2, 3, 4)
SECTIONS = [
    'training',
    'health',
    'curves',
    'knn',
    'crops',
    'attention',
    'pca',
    'neighbours',
    'correspondence',
    'cost',
    'commands',
    'versions',
]
OF_PICTURES = SECTIONS[4:9]
EVIL = '<script>alert(1)</script>'
SWIN = tiny.REGIONS.format(drop_path=0.0)
RESNET = """
model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=18,
        base_channels=8,
        stem_channels=8,
        strides=(1, 1, 1, 2),
    ),
    heads=dict(view=dict(in_channels=64)),
)
"""
UNLABELLED = """
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
"""


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Makes a work directory of a finished run, and its data beside it."""
    runs = {}

    def run(name, extra=''):
        if name not in runs:
            folder = tmp_path_factory.mktemp(name)
            data = tiny.write_data(folder / 'data')
            config = tiny.write_config(folder / 'config.py', data, extra)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr('yapf.yapflib.yapf_api.FormatCode', processes.unformatted)
                tiny.train(config, folder / 'run')
            runs[name] = folder
        return runs[name]

    return run


@pytest.fixture
def vit(trained, tmp_path):
    """A copy of a ViT's work directory."""
    folder = trained('vit') / 'run'
    return shutil.copytree(folder, tmp_path / 'run')


def report(work_dir, **options):
    options = {'images': 2, 'now': NOW, **options}
    path, not_made = write_report(work_dir, **options)
    text = path.read_text()
    return Document(text), not_made, text


def test_every_section_of_a_vit(trained):
    document, not_made, text = report(trained('vit') / 'run')
    assert document.sections == SECTIONS
    assert not_made == []
    assert 'Not made' not in text
    assert len(document.images()) == 6  # crops, attention, PCA, neighbours, two correspondences
    assert all(size >= 300 for picture in document.images() for size in picture.size)
    assert len(text) < 3_000_000
    assert 'ln 32 = 3.47' in text
    assert 'all 12 iterations' in document.texts['header']
    assert 'the teacher of epoch_3.pth' in document.texts['header']
    assert '32 images' in document.texts['training']
    assert 'k = 10' in document.texts['knn']
    assert 'config.py' in document.texts['commands']
    assert 'images a second' in document.texts['cost']


def test_page_is_whole_and_needs_nothing(trained):
    document, _, text = report(trained('vit') / 'run')
    assert text.startswith('<!doctype html>')
    assert len(set(document.ids)) == len(document.ids)
    links = [attributes['href'] for attributes in document.all('a')]
    assert links == [f'#{name}' for name in SECTIONS]
    assert set(SECTIONS) <= set(document.ids)
    assert not document.all('script') + document.all('link') + document.all('iframe')
    assert all(attributes['src'].startswith('data:image/') for attributes in document.all('img'))
    assert not re.search(r'https?:|url\(|@import|\son\w+=', text)
    policies = [a['content'] for a in document.all('meta') if 'http-equiv' in a]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_page_can_be_read_aloud(trained):
    document, _, _ = report(trained('vit') / 'run')
    assert document.all('html') == [{'lang': 'en'}]
    assert all(attributes['alt'].strip() for attributes in document.all('img'))
    assert all(attributes['role'] == 'img' for attributes in document.all('svg'))
    assert document.headings[0] == 1
    assert document.headings.count(1) == 1
    steps = zip(document.headings, document.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    named = [a['aria-labelledby'] for a in document.all('section') + document.all('nav')]
    assert set(named) <= set(document.ids)


def test_same_run_same_page(vit):
    _, _, first = report(vit, images=1)
    _, _, second = report(vit, images=1)
    assert first == second
    _, _, later = report(vit, images=1, now=NOW.replace(minute=5))
    assert later.replace('2026-01-02 03:05', '2026-01-02 03:04') == first


@pytest.mark.parametrize(
    ('name', 'extra', 'without', 'reason'),
    [
        ('swin', SWIN, [], ''),
        ('resnet', RESNET, ['attention'], 'type ResNet gives no attention'),
        ('unlabelled', UNLABELLED, ['knn'], 'no validation'),
    ],
)
def test_other_runs(trained, name, extra, without, reason):
    document, not_made, text = report(trained(name, extra) / 'run', images=1)
    assert document.sections == SECTIONS
    assert [s for s in SECTIONS if 'Not made' in document.texts[s]] == without
    assert len(not_made) == len(without)
    assert all(reason in document.texts[name] for name in without)
    document.images()
    if name == 'swin':
        assert text.count('>uniform: 0.5 ln 32 = 1.73<') == 2


def test_newest_readable_checkpoint(vit):
    newest = vit / 'epoch_3.pth'
    newest.write_bytes(newest.read_bytes()[:2000])
    document, not_made, _ = report(vit, images=1)
    assert not_made == []
    assert 'the teacher of epoch_2.pth' in document.texts['header']


def test_no_checkpoint_yet(vit):
    for path in vit.glob('*.pth'):
        path.unlink()
    document, _, _ = report(vit, images=1)
    assert [s for s in OF_PICTURES if 'no checkpoint yet' in document.texts[s]] == OF_PICTURES[1:]
    assert 'Not made' not in document.texts['crops']


def test_checkpoint_that_would_run_code(vit, tmp_path):
    import torch

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath('ran').touch, ())

    for path in vit.glob('*.pth'):
        torch.save({'state_dict': Evil()}, path)
    document, _, _ = report(vit, images=1)
    assert 'would be executed' in document.texts['attention']
    assert not (tmp_path / 'ran').exists()


def test_deleted_data(trained, vit, tmp_path):
    config = next(vit.glob('*/vis_data/config.py'))
    config.write_text(config.read_text().replace(str(trained('vit') / 'data'), '/nowhere'))
    document, _, _ = report(vit, images=1)
    missing = [s for s in SECTIONS if 'Not made' in document.texts[s]]
    assert missing == OF_PICTURES
    assert '/nowhere/train, which does not exist: give by --data' in document.texts['pca']
    document, not_made, _ = report(vit, data=str(trained('vit') / 'data'), images=1)
    assert not_made == []


def test_images_in_shards(trained, vit, tmp_path):
    for part in ('train', 'val'):
        with tarfile.open(tmp_path / f'{part}.tar', 'w') as tar:
            tar.add(trained('vit') / 'data' / part, part)
    config = next(vit.glob('*/vis_data/config.py'))
    for part in ('train', 'val'):
        folder = str(trained('vit') / 'data' / part)
        config.write_text(config.read_text().replace(folder, str(tmp_path / f'{part}.tar')))
    document, not_made, _ = report(vit)
    assert not_made == []
    assert document.images()


def test_a_run_that_just_began(tmp_path):
    write_session(tmp_path / 'run', '1', [])
    document, _, _ = report(tmp_path / 'run')
    missing = [s for s in SECTIONS if 'Not made' in document.texts[s]]
    assert missing == ['curves', 'knn', *OF_PICTURES, 'cost']
    assert 'before its first log line' in document.texts['header']
    assert 'no loss was logged yet' in document.texts['curves']


def test_a_run_that_died(tmp_path):
    run = write_session(tmp_path / 'run', '1', [step(i, loss_view=2.0) for i in range(1, 16)])
    scalars = run / '1/vis_data/scalars.json'
    scalars.write_text(scalars.read_text() + '{"loss": 1.')
    document, _, _ = report(run)
    assert 'iteration 15 of 40' in document.texts['header']
    assert '2 processes' in document.texts['training']
    assert '8 on a process, 2 processes, 2 micro-batches' in document.texts['training']
    assert '32 images a step' in document.texts['training']
    assert 'bfloat16' in document.texts['training']
    assert '2.00 GiB' in document.texts['cost']
    assert '0:00:12 for 25 steps' in document.texts['cost']
    assert '20% of the time' in document.texts['health']
    assert 'dist_train.sh' in document.texts['commands']
    assert '--resume' in document.texts['commands']


def test_resumed_runs_are_trained_again_from_the_start(tmp_path):
    run = write_session(tmp_path / 'run', '1', [step(5)], CONFIG | {'resume': True})
    document, _, _ = report(run)
    assert 'resume=False load_from=None' in document.texts['commands']


def test_a_detector(tmp_path):
    config = {
        'model': {'type': 'mmdet.MaskRCNN', 'backbone': {'type': 'ResNet', 'depth': 50}},
        'train_cfg': {'type': 'EpochBasedTrainLoop', 'max_epochs': 2},
        'train_dataloader': {'batch_size': 2, 'dataset': {'data_root': 'data/coco'}},
        'param_scheduler': {'type': 'LinearLR'},
    }
    lines = [step(i, loss_rpn_cls=1.0, loss_bbox=0.5) for i in range(1, 21)]
    document, _, _ = report(write_session(tmp_path / 'run', '1', lines, config))
    assert 'MaskRCNN, which is no self-distillation' in document.texts['training']
    assert 'Not made' not in document.texts['curves'] + document.texts['health']
    assert 'no folder, list or shards of images' in document.texts['crops']


def test_what_comes_from_files_is_text(tmp_path):
    name = EVIL.replace('/', '')
    data = tiny.write_images(tmp_path / name / 'images', images=6)
    for path in list(data.rglob('*.png')):
        path.rename(path.with_name(f'{name}{path.name}'))
    config = {
        **CONFIG,
        'model': {**CONFIG['model'], 'heads': {EVIL: {'type': EVIL}}, 'x"><img src=x>': EVIL},
        'randomness': {'seed': EVIL},
    }
    config['train_dataloader'] = {
        **CONFIG['train_dataloader'],
        'dataset': {**CONFIG['train_dataloader']['dataset'], 'root': str(data)},
    }
    lines = [step(i, **{f'loss_{EVIL}': 1.0}) for i in range(1, 12)]
    lines += [{'knn/top1_k5': 5.0, 'knn/top1_k' + EVIL: 5.0, 'step': 1}]
    run = write_session(tmp_path / name / 'run<b>', '1', lines, config)
    document, _, text = report(run)
    assert '<script' not in text
    assert '<b>' not in text
    assert 'src=x' not in re.sub(r'src=x&gt;', '', text)
    assert EVIL in document.texts['training']
    assert EVIL in document.texts['curves']
    assert 'run<b>' in document.texts['header']
    assert 'Fast <b>GPU</b>' in document.texts['versions']


def test_file_names_are_text(trained, vit, tmp_path):
    name = '"><img src=x onerror=alert(1)>.png'
    for part in ('train', 'val'):
        source = next((trained('vit') / 'data' / part).rglob('*.png'))
        (tmp_path / 'data' / part / '<b>').mkdir(parents=True)
        (tmp_path / 'data' / part / 'c').mkdir()
        shutil.copy(source, tmp_path / 'data' / part / '<b>' / name)
        shutil.copy(source, tmp_path / 'data' / part / 'c' / name)
    document, not_made, _ = report(vit, data=str(tmp_path / 'data'))
    assert not_made == []
    assert len(document.images()) == len(document.all('img')) == 6
    assert sum(f'<b>/{name}' in attributes['alt'] for attributes in document.all('img')) == 4
    assert all('onerror' not in attributes for attributes in document.all('img'))


def test_written_whole_or_not_at_all(vit, monkeypatch):
    (vit / 'report.html').write_text('old')
    before = sorted(vit.iterdir())
    monkeypatch.setattr('dinomm.report.build.page', lambda *_: 'a' + '\udcff')  # no UTF-8
    with pytest.raises(UnicodeEncodeError):
        report(vit, images=1)
    assert (vit / 'report.html').read_text() == 'old'
    assert sorted(vit.iterdir()) == before


def test_nothing_temporary_stays(vit, tmp_path, monkeypatch):
    (tmp_path / 'tmp').mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'tmp'))
    before = sorted(vit.iterdir())
    write_report(vit, out=tmp_path / 'new' / 'report.html', images=1)
    assert not list((tmp_path / 'tmp').iterdir())
    assert sorted(vit.iterdir()) == before
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['report.html']


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'images': 0}, '--images is 0'),
        ({'images': 33}, '--images is 33: expected a number from 1 to 32'),
        ({'data': '/nowhere'}, '--data /nowhere does not exist'),
        ({'out': '/'}, 'is a folder'),
        ({'work_dir': '/nowhere'}, 'no folder'),
    ],
)
def test_wrong_arguments(tmp_path, options, words):
    work_dir = write_session(tmp_path / 'run', '1', [])
    with pytest.raises(ValueError, match=words):
        report(**{'work_dir': work_dir, **options})
