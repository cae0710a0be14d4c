"""The README of DINO's configs and the model index: complete, and true to the configs."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from dinomm.config_check import check_config

from . import shipped, tiny

FOLDER = tiny.ROOT / 'configs/dino'
README = (FOLDER / 'README.md').read_text()
ROWS = [
    [cell.strip() for cell in line.strip('|').split('|')]
    for line in README.splitlines()
    if re.match(r'\| \[[^]]*\]\([^)]*\.py\)', line)
]
DINO = [path for path in shipped.CONFIGS if path.startswith('configs/dino/')]


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


def path_of(row: list[str]) -> str:
    return 'configs/dino/' + re.search(r'\((.*)\)', row[0]).group(1)


def figure(cell: str) -> float | None:
    """The number of a table's cell; the marks of its source do not count."""
    number = cell.rstrip('*°')
    return float(number) if re.fullmatch(r'[\d.]+', number) else None


def test_every_config_is_in_the_index_and_in_the_readme():
    assert sorted(models()) == DINO
    assert sorted({path_of(row) for row in ROWS}) == DINO


def test_links_of_the_readme_exist():
    links = re.findall(r'\]\((?!http)([^)]+)\)', README)
    assert links and all((FOLDER / link).exists() for link in links)


@pytest.mark.parametrize('path', DINO)
def test_index_is_true_to_the_config(path):
    metadata, config = models()[path]['Metadata'], shipped.read(path)
    backbone = shipped.build_without_memory(config.model).backbone
    assert metadata['Parameters'] == sum(p.numel() for p in backbone.parameters())
    assert metadata['Epochs'] == config.train_cfg.max_epochs


@pytest.mark.parametrize('row', ROWS, ids=lambda row: f'{row[0]} {row[1]}')
def test_readme_is_true_to_config_and_index(row):
    of_ablations = len(row) == 6  # the other table has parameters and source besides
    path = path_of(row)
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


def test_the_variant_in_the_readme(tmp_path):
    (code,) = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    file = tmp_path / 'my_run.py'
    file.write_text(code.replace("'configs/", f"'{tiny.ROOT.as_posix()}/configs/"))
    config = shipped.read(str(file))
    check_config(config)
    assert config.optim_wrapper.optimizer.type == 'LARS'
    assert 'fused' not in config.optim_wrapper.optimizer
    assert config.model.heads.view.teacher_temp.end == 0.07
    assert len(config.param_scheduler) == 2
    assert config.train_dataloader.dataset.pipeline[1].views[2].num == 4
