"""The READMEs of the configs and the model index: complete, and true to the configs."""

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml

from dinomm.config_check import check_config

from . import detectors, shipped, tiny

FOLDERS = ('configs/dino', 'configs/esvit', 'configs/ibot', 'configs/dinov2')
READMES = {folder: (tiny.ROOT / folder / 'README.md').read_text() for folder in FOLDERS}
ROWS = [
    (folder, [cell.strip() for cell in line.strip('|').split('|')])
    for folder, readme in READMES.items()
    for line in readme.splitlines()
    if re.match(r'\| \[[^]]*\]\([^)]*\.py\)', line)
]
INDEXED = [path for path in shipped.CONFIGS if path.startswith(tuple(f'{f}/' for f in FOLDERS))]


@cache
def models() -> dict[str, dict]:
    """The index's models by the path of their config."""
    found = {}
    for file in yaml.safe_load((tiny.ROOT / 'model-index.yml').read_text())['Import']:
        content = yaml.safe_load((tiny.ROOT / file).read_text())
        collections = {collection['Name'] for collection in content['Collections']}
        for collection in content['Collections']:
            assert (tiny.ROOT / collection['README']).is_file()
        for model in content['Models']:
            assert model['In Collection'] in collections
            assert model['Name'] == Path(model['Config']).stem
            assert model['Config'] not in found
            found[model['Config']] = model
    return found


def path_of(folder: str, row: list[str]) -> str:
    return os.path.normpath(f'{folder}/' + re.search(r'\((.*)\)', row[0]).group(1))


def figure(cell: str) -> float | None:
    """The number of a table's cell; the marks of its source do not count."""
    number = cell.rstrip('*°')
    return float(number) if re.fullmatch(r'[\d.]+', number) else None


def test_every_config_is_in_the_index_and_in_the_readme():
    assert sorted(models()) == sorted(INDEXED + detectors.CONFIGS)
    for folder in FOLDERS:
        named = {path_of(*row) for row in ROWS if row[0] == folder}
        assert {path for path in INDEXED if path.startswith(f'{folder}/')} <= named


@pytest.mark.parametrize('folder', FOLDERS)
def test_links_of_a_readme_exist(folder):
    links = re.findall(r'\]\((?!http)([^)]+)\)', READMES[folder])
    assert links and all((tiny.ROOT / folder / link.partition('#')[0]).exists() for link in links)


@pytest.mark.parametrize('path', INDEXED)
def test_index_is_true_to_the_config(path):
    metadata, config = models()[path]['Metadata'], shipped.read(path)
    backbone = shipped.build_without_memory(config.model).backbone
    assert metadata['Parameters'] == sum(p.numel() for p in backbone.parameters())
    assert metadata['Epochs'] == config.train_cfg.max_epochs


@pytest.mark.parametrize(
    ('folder', 'row'), ROWS, ids=lambda part: part if isinstance(part, str) else part[0]
)
def test_readme_is_true_to_config_and_index(folder, row):
    of_ablations = len(row) == 6  # the other table has parameters and source besides
    path = path_of(folder, row)
    config, metadata = shipped.read(path), models()[path]['Metadata']
    epochs, batch, *published = row[2:] if of_ablations else row[3:-1]
    if not of_ablations:
        assert float(row[2]) == round(metadata['Parameters'] / 1e6, 1)
    assert int(epochs) == config.train_cfg.max_epochs
    gpus, images = map(int, batch.split(' x '))
    assert images == config.train_dataloader.batch_size
    assert gpus * images == metadata['Batch Size']
    if of_ablations and 'ablations/' not in path:
        return  # the paper's figures beside the README's of the same run
    docstring = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    for name, cell in zip(('k-NN', 'Linear'), published, strict=True):
        number = figure(cell)
        assert metadata.get(f'Published {name} Top 1 Accuracy') == number
        if number is not None:
            assert re.search(rf'{name} {number}\b', docstring, re.IGNORECASE)


def variant_in(folder: str, tmp_path):
    """The config of the README's example, checked."""
    (code,) = re.findall(r'```python\n(.*?)```', READMES[folder], re.DOTALL)
    file = tmp_path / 'my_run.py'
    file.write_text(code.replace("'configs/", f"'{tiny.ROOT.as_posix()}/configs/"))
    config = shipped.read(str(file))
    check_config(config)
    return config


def test_the_variant_of_esvit(tmp_path):
    config = variant_in('configs/esvit', tmp_path)
    view, region = config.model.heads.view, config.model.heads.region
    assert view.loss_weight == region.loss_weight == 1
    assert (view.num_prototypes, region.num_prototypes) == (65536, 8192)
    assert config.train_dataloader.dataset.pipeline[1].views[2].num == 4


def test_the_variant_of_ibot(tmp_path):
    model = variant_in('configs/ibot', tmp_path).model
    assert model.masking.ratio == (0.1, 0.3) and model.masking.min_cells == 16
    assert 'tied_to' not in model.heads.view and model.heads.patch.tied_to is None
    assert model.heads.patch.loss_weight == 1 / 3
    assert shipped.build_without_memory(model).heads.patch.prototypes is not None


def test_the_variant_of_dinov2(tmp_path):
    config = variant_in('configs/dinov2', tmp_path)
    model = shipped.build_without_memory(config.model)
    assert sum(p.numel() for p in model.backbone.parameters()) == 21629184  # the released ViT-S/14
    assert model.heads.patch.num_prototypes == model.heads.view.num_prototypes == 16384
    assert [v.size for v in config.train_dataloader.dataset.pipeline[1].views] == [224, 224, 98]
    assert config.train_dataloader.sampler.epoch_size == 1250 * 2048


def test_the_variant_of_dino(tmp_path):
    config = variant_in('configs/dino', tmp_path)
    assert config.optim_wrapper.optimizer.type == 'LARS'
    assert 'fused' not in config.optim_wrapper.optimizer
    assert config.model.heads.view.teacher_temp.end == 0.07
    assert len(config.param_scheduler) == 2
    assert config.train_dataloader.dataset.pipeline[1].views[2].num == 4


DETECTION = 'configs/detection'
DETECTION_README = (tiny.ROOT / DETECTION / 'README.md').read_text()
DETECTION_ROWS = {
    name: [cell.strip() for cell in cells.split('|')]
    for name, cells in re.findall(r'\| \[[^]]*\]\(([^)]*\.py)\) \|(.*)\|', DETECTION_README)
}


def test_the_readme_of_the_detectors_names_all_and_its_links_exist():
    assert sorted(f'{DETECTION}/{name}' for name in DETECTION_ROWS) == detectors.CONFIGS
    links = re.findall(r'\]\((?!http)([^)]+)\)', DETECTION_README)
    assert all((tiny.ROOT / DETECTION / link).exists() for link in links)


@pytest.mark.parametrize('name', sorted(DETECTION_ROWS))
def test_the_readme_of_the_detectors_is_true_to_config_and_index(name):
    pytest.importorskip('mmdet')
    path = f'{DETECTION}/{name}'
    config, metadata = shipped.read(path), models()[path]['Metadata']
    _, parameters, epochs, batch, box, mask, source = DETECTION_ROWS[name]
    with torch.device('meta'), shipped.LinspaceOnCPU():
        detector = detectors.build(config.model)
    assert metadata['Parameters'] == sum(p.numel() for p in detector.parameters())
    assert float(parameters) == round(metadata['Parameters'] / 1e6, 1)
    times = config.train_dataloader.dataset.get('times', 1)
    assert int(epochs) == metadata['Epochs'] == config.train_cfg.max_epochs * times
    gpus, images = map(int, batch.split(' x '))
    assert images == config.train_dataloader.batch_size
    assert gpus * images == metadata['Batch Size'] == config.auto_scale_lr.base_batch_size
    docstring = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    for kind, cell in (('Box', box), ('Mask', mask)):
        assert metadata.get(f'Published {kind} AP') == (float(cell) if cell else None)
        assert not cell or f'{kind.lower()} {cell}' in docstring
    assert source.startswith(metadata.get('Published With Weights Of', ''))
