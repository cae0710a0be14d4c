import json
import pickle

import numpy as np
import pytest
import torch

from dinomm.checkpoints import convert, load_file
from dinomm.checkpoints.files import save_file
from dinomm.verification.dino import tensors

from .foreign import HF_NETWORKS, hf_network, randomised, timm_network, timm_networks

IMAGE = 224
FULL = {
    'ViT-S/16': ('vit_small_patch16_224', {}),
    'ViT-S/14 with registers': ('vit_small_patch14_reg4_dinov2', dict(img_size=IMAGE)),
    'Swin-T': ('swin_tiny_patch4_window7_224', {}),
}


@pytest.fixture
def dino(golden, tmp_path):
    with np.load(golden / 'dino_vit.npz') as arrays:
        state = tensors(arrays, 'w/')
    save_file(tmp_path / 'dino.pth', state)
    return tmp_path / 'dino.pth'


@pytest.fixture
def esvit(golden, tmp_path):
    with np.load(golden / 'esvit_swin.npz') as arrays:
        save_file(tmp_path / 'esvit.pth', {'teacher': tensors(arrays, 'w/')})
    return tmp_path / 'esvit.pth'


def images():
    return torch.rand(1, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(3))


def with_published_eps(network):
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-6
    return network.eval()


@pytest.mark.parametrize(
    'name',
    [pytest.param(n, marks=[] if 'Swin' in n else [pytest.mark.slow]) for n in FULL],
)
def test_full_width_through_the_libraries_own_loaders(name, tmp_path):
    """timm -> Hugging Face -> dinomm -> timm, loaded as each library loads files."""
    import timm

    transformers = pytest.importorskip('transformers')
    timm_name, options = FULL[name]
    network = timm_network(timm_name, num_classes=0, **options)
    source = tmp_path / 'timm.safetensors'
    save_file(source, network.state_dict())
    done = convert('timm', 'huggingface', source, tmp_path / 'hub')
    assert set(done.differences) == {'timm', 'huggingface'}
    assert max(done.differences.values()) < 1e-4
    assert done.coverage.matched and not done.coverage.faults()
    convert('auto', 'dinomm', tmp_path / 'hub', tmp_path / 'ours.pth', forward=False)
    done = convert('auto', 'timm', tmp_path / 'ours.pth', tmp_path / 'again.pth', forward=False)
    original, again = network.state_dict(), load_file(tmp_path / 'again.pth')
    assert set(original) == set(again)
    assert all(torch.equal(tensor, again[n]) for n, tensor in original.items())
    load, _, text = done.usage.partition('(')
    assert load == 'timm.create_model' and repr(str(tmp_path / 'again.pth')) in text
    reloaded = with_published_eps(eval(done.usage, dict(timm=timm)))
    hub = with_published_eps(transformers.AutoModel.from_pretrained(tmp_path / 'hub'))
    with torch.no_grad():
        expected = with_published_eps(network).forward_features(images())
        torch.testing.assert_close(reloaded.forward_features(images()), expected)
        found = hub(images()).last_hidden_state
        torch.testing.assert_close(found, expected.view_as(found), atol=1e-4, rtol=0)


def test_resnet_against_torchvision(tmp_path):
    """torchvision -> mmdet -> DINO; features are compared on the way."""
    from torchvision.models import resnet50

    network = randomised(resnet50(weights=None))
    torch.save(network.state_dict(), tmp_path / 'in.pth')
    done = convert('torchvision', 'mmdet', tmp_path / 'in.pth', tmp_path / 'mmdet.pth')
    assert set(done.differences) == {'torchvision', 'mmdet'}
    assert max(done.differences.values()) < 1e-4
    assert set(done.left_out) == {'fc.weight', 'fc.bias'}
    mmdet = load_file(tmp_path / 'mmdet.pth')['state_dict']
    assert all(name.startswith('backbone.') for name in mmdet)
    convert('mmdet', 'dino', tmp_path / 'mmdet.pth', tmp_path / 'dino.safetensors', forward=False)
    back = load_file(tmp_path / 'dino.safetensors')
    assert set(network.state_dict()) - set(back) == {'fc.weight', 'fc.bias'}
    assert all(torch.equal(tensor, network.state_dict()[n]) for n, tensor in back.items())


def test_swin_between_mmdet_and_the_others(esvit, tmp_path):
    done = convert('esvit', 'mmdet', esvit, tmp_path / 'mmdet.pth')
    assert done.differences == {'mmdet': pytest.approx(0, abs=1e-4)}
    assert 'eps 1e-06 in esvit, 1e-05 by default in mmdet' in ' '.join(done.notes)
    given = load_file(tmp_path / 'mmdet.pth')['state_dict']
    for stage, width in enumerate((12, 24, 48)):  # of a detector, with norms of all outputs
        for kind in ('weight', 'bias'):
            given[f'backbone.norm{stage}.{kind}'] = torch.ones(width)
    torch.save({'state_dict': given | {'neck.weight': torch.ones(2)}}, tmp_path / 'detector.pth')
    done = convert('mmdet', 'esvit', tmp_path / 'detector.pth', tmp_path / 'back.pth')
    assert set(done.left_out.values()) == {
        'beside the backbone',
        'a norm of the output of an earlier stage',
    }
    back, original = (load_file(f)['teacher'] for f in (tmp_path / 'back.pth', esvit))
    assert set(back) == set(original)
    assert all(torch.equal(back[name], tensor) for name, tensor in original.items())


@pytest.mark.parametrize('form', ['swiglu', 'registers', 'plain'])
def test_hugging_face_folder_and_mmpretrain(form, tmp_path):
    """Heads come from config.json; half precision stays."""
    pytest.importorskip('transformers')
    kind, options = HF_NETWORKS[form]
    hf_network(kind, **options).half().save_pretrained(tmp_path / 'in')
    target = 'dinov2' if form == 'registers' else 'mmpretrain'
    done = convert('huggingface', target, tmp_path / 'in', tmp_path / 'out.pth')
    assert done.form.heads == 2 and 'huggingface' in done.differences
    done = convert(target, 'huggingface', tmp_path / 'out.pth', tmp_path / 'back', heads=2)
    config, original = (
        json.loads((tmp_path / folder / 'config.json').read_text()) for folder in ('back', 'in')
    )
    assert config['dtype'] == 'float16'
    for key, value in config.items():
        assert original[key] == value or key == 'layer_norm_eps'


def test_wrong_heads_are_seen(tmp_path):
    """The comparison fails where weights are right and the network is not."""
    name, options = timm_networks()['plain']
    network = timm_network(name, num_classes=0, **options)
    save_file(tmp_path / 'in.pth', network.state_dict())
    with pytest.raises(ValueError, match='24 wide, no multiple of 64: say by --heads'):
        convert('timm', 'dinomm', tmp_path / 'in.pth', tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()


def test_twice(dino, esvit, tmp_path):
    for file, source in ((dino, 'dino'), (esvit, 'esvit')):
        heads = 3 if source == 'dino' else None
        out = tmp_path / f'{source}_mm.pth'
        convert(source, 'mmpretrain', file, out, heads=heads, forward=False)
        for again in (source, 'auto', 'dinomm'):
            with pytest.raises(ValueError, match='has the names of mmpretrain already'):
                convert(again, 'mmpretrain', out, tmp_path / 'twice.pth', heads=heads)
        with pytest.raises(ValueError, match=f'is not in the format {source}.*looks like mmpretr'):
            convert(source, 'timm', out, tmp_path / 'twice.pth')
    with pytest.raises(ValueError, match='has the names of timm already'):
        convert('dino', 'timm', dino, tmp_path / 'twice.pth', heads=3)
    assert not (tmp_path / 'twice.pth').exists()


def test_another_file_of_the_same_names(dino, tmp_path):
    convert('dino', 'timm', dino, tmp_path / 'x.safetensors', heads=3, forward=False)
    assert set(load_file(tmp_path / 'x.safetensors')) == set(load_file(dino))


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ({'w': torch.ones(2)}, 'names of no format that is known: w'),
        ({'epoch': 3}, 'holds no weights'),
        ({'patch_embed.proj.bias': torch.ones(4)}, 'is missing: the file holds no whole vit'),
    ],
)
def test_no_backbone(content, text, tmp_path):
    torch.save(content, tmp_path / 'in.pth')
    with pytest.raises(ValueError, match=text):
        convert('auto', 'dinomm', tmp_path / 'in.pth', tmp_path / 'out.pth')


@pytest.mark.parametrize('damage', ['missing', 'shape'])
def test_damaged_network_is_refused(dino, tmp_path, damage):
    state = load_file(dino)
    if damage == 'missing':
        del state['blocks.1.attn.proj.bias']
    else:
        state['blocks.1.attn.proj.bias'] = torch.ones(7)
    torch.save(state, tmp_path / 'damaged.pth')
    with pytest.raises(ValueError, match=r'do not fill .*(\n.*)*layers\.1\.attn\.proj\.bias'):
        convert('dino', 'mmpretrain', tmp_path / 'damaged.pth', tmp_path / 'out.pth', heads=3)
    assert not (tmp_path / 'out.pth').exists()


class Hostile:
    def __reduce__(self):
        return print, ('executed',)


def test_code_is_refused(tmp_path, capsys):
    (tmp_path / 'in.pth').write_bytes(pickle.dumps({'x': Hostile()}))
    torch.save({'state_dict': {'x': torch.ones(1)}, 'args': Hostile()}, tmp_path / 'zip.pth')
    for name in ('in.pth', 'zip.pth'):
        with pytest.raises(ValueError, match=r'would be executed as code|is damaged'):
            convert('auto', 'timm', tmp_path / name, tmp_path / 'out.pth')
    assert 'executed' not in capsys.readouterr().out
