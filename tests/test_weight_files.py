import pytest

from dinomm.weight_files import KINDS, require_formats, require_free, weights_file


def test_formats_are_those_of_the_converters():
    from dinomm.checkpoints.matrix import FORMATS

    kinds = {name: {family.kind for family in format.families} for name, format in FORMATS.items()}
    assert kinds == {name: set(listed) for name, listed in KINDS.items()}


def test_formats():
    require_formats('auto', 'timm')
    require_formats('dino', 'torchvision')
    for source, target, text in (
        ('dyno', 'timm', "no format 'dyno'"),
        ('timm', 'auto', "no format 'auto'"),
        ('timm', 'timm', 'nothing to convert'),
        ('esvit', 'torchvision', 'esvit holds swin, torchvision holds resnet'),
    ):
        with pytest.raises(ValueError, match=text):
            require_formats(source, target)


def test_file_or_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        weights_file(tmp_path / 'x.pth')
    with pytest.raises(FileNotFoundError, match=r'has none of model\.safetensors'):
        weights_file(tmp_path)
    (tmp_path / 'pytorch_model.bin').touch()
    assert weights_file(tmp_path) == tmp_path / 'pytorch_model.bin'


def test_place_of_the_result(tmp_path):
    file = tmp_path / 'in.pth'
    file.touch()
    require_free('timm', file, tmp_path / 'new/out.pth', force=False)
    require_free('huggingface', file, tmp_path / 'folder', force=False)
    with pytest.raises(ValueError, match='a folder is for huggingface alone'):
        require_free('timm', file, tmp_path / 'folder', force=False)
    with pytest.raises(ValueError, match='the file that is read'):
        require_free('timm', file, file, force=True)
    taken = tmp_path / 'out.pth'
    taken.touch()
    with pytest.raises(FileExistsError, match='--force'):
        require_free('timm', file, taken, force=False)
    require_free('timm', file, taken, force=True)
    (tmp_path / 'folder.pth').mkdir()
    with pytest.raises(FileExistsError, match='is a folder'):
        require_free('timm', file, tmp_path / 'folder.pth', force=True)
    hub = tmp_path / 'hub'
    hub.mkdir()
    (hub / 'config.json').touch()
    with pytest.raises(FileExistsError, match=r'config\.json exists'):
        require_free('huggingface', file, hub, force=False)
