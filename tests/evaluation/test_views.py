import numpy as np
import pytest
import torch
from PIL import Image

from dinomm import launch
from dinomm.datasets.transforms import BrokenImageError
from dinomm.evaluation.features import Extraction, Reader, extract
from dinomm.evaluation.labelled import folder_images
from dinomm.evaluation.network import load_network
from dinomm.evaluation.views import view_features
from tests.integration.tiny import ROOT


def test_the_features_of_evaluation(tmp_path):
    config = launch.read_config(str(ROOT / 'configs/dino/quickstart_photos.py'))
    network = load_network(config, 'untrained', device='cpu')
    rng = np.random.default_rng(0)
    for name, shape in (('a', (80, 90)), ('b', (99, 70))):
        picture = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f'{name}.png')
    expected = extract(
        network, folder_images(config, str(tmp_path)), Reader(), Extraction(tell=str)
    )
    found = view_features(network, config, [str(tmp_path / 'b.png'), str(tmp_path / 'a.png')])
    torch.testing.assert_close(found, expected.rows.flip(0))
    (tmp_path / 'c.png').write_bytes(b'no image')
    with pytest.raises(BrokenImageError, match=r'c\.png'):
        view_features(network, config, [str(tmp_path / 'c.png')])
    config.val_dataloader = None
    with pytest.raises(ValueError, match='has no val_dataloader'):
        view_features(network, config, [])
