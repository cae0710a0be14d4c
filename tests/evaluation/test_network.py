import pytest
import torch
from mmengine.config import Config

from dinomm import launch
from dinomm.evaluation.network import evaluation_loader, load_network, view_size
from dinomm.registry import MODELS
from tests.integration.tiny import ROOT


@pytest.fixture
def config():
    config = launch.read_config(str(ROOT / 'configs/dino/quickstart_digits.py'))
    config.model.backbone.arch.num_layers = 1
    return config


@pytest.fixture
def checkpoint(config, tmp_path):
    model = MODELS.build(config.model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'weights.pth')
    return model, str(tmp_path / 'weights.pth')


def test_the_backbone_is_the_checkpoints(config, checkpoint):
    model, path = checkpoint
    network = load_network(config, path)
    assert not any(module.training for module in network.modules())
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(network.backbone.state_dict()[name], tensor), name


def test_another_networks_weights_and_none_at_all(config, checkpoint, tmp_path):
    _, path = checkpoint
    other = Config(config.to_dict())
    other.model.backbone.arch.num_layers = 2
    with pytest.raises(ValueError, match='of another network'):
        load_network(other, path)
    torch.save({'state_dict': {'head.weight': torch.zeros(1)}}, tmp_path / 'head.pth')
    with pytest.raises(ValueError, match='has no weight of model'):
        load_network(config, str(tmp_path / 'head.pth'))


def test_images_of_a_folder_spread_over_all_without_labels(config, tmp_path):
    from PIL import Image

    for i in range(5):
        (tmp_path / str(i)).mkdir()
        Image.new('RGB', (40, 40), (50 * i, 0, 0)).save(tmp_path / str(i) / 'x.png')
    config.val_dataloader.update(num_workers=0, batch_size=2)
    seen = []
    loader = evaluation_loader(config, str(tmp_path), [lambda r: seen.append(r) or r], 3)
    sizes = [len(batch['inputs'][0]) for batch in loader]
    assert sizes == [2, 1]
    assert [results['img_path'][-7] for results in seen] == ['0', '2', '4']
    assert all('gt_label' not in results for results in seen)


def test_size_of_the_views(config):
    assert view_size(config) == 28
    config.val_dataloader = None
    assert view_size(config) == 224
    with pytest.raises(ValueError, match='no val_dataloader'):
        evaluation_loader(config)
