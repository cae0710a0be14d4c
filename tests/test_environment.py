import subprocess
import sys
from pathlib import Path

import pytest

from dinomm.environment import check_environment, find_conflict, installed_versions, uses_upstream

ROOT = Path(__file__).resolve().parents[1]
GOOD = {
    'torch': '2.14.1',
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmpretrain': '1.3.6',
    'opencv-python': '4.10.0.84',
}
UPSTREAM = {
    'torch': '2.4.0a0+git1234',
    'mmengine': '0.11.0rc3',
    'mmcv-lite': '2.1.0',
    'mmpretrain': '1.2.0',
    'opencv-python-headless': '4.10.0.84',
}


def fault(installed):
    with pytest.raises(RuntimeError) as error:
        check_environment(installed, python='/env/bin/python')
    return str(error.value)


@pytest.mark.parametrize('installed', [GOOD, UPSTREAM])
def test_either_line_of_libraries_passes(installed):
    check_environment(installed)


def test_both_lines_of_a_library_are_named_with_the_command_that_repairs_them():
    message = fault({**GOOD, 'mmengine': '0.10.7', 'mmcv': '2.1.0'})
    assert message == (
        'onedl-mmengine 0.10.12, mmengine 0.10.7, onedl-mmcv 2.3.6 and mmcv 2.1.0 are installed '
        'together and overwrite each other: run `/env/bin/python -m pip uninstall -y '
        'onedl-mmengine mmengine onedl-mmcv mmcv && /env/bin/python -m pip install '
        'onedl-mmengine onedl-mmcv`.'
    )


def test_compiled_and_lite_mmcv_together_are_a_conflict():
    assert 'mmcv-lite 2.1.0 and mmcv 2.1.0' in fault({**UPSTREAM, 'mmcv': '2.1.0'})


def test_missing_library_is_asked_for_from_the_line_in_use():
    assert fault({k: v for k, v in GOOD.items() if k != 'onedl-mmcv'}) == (
        'mmcv is not installed: run `/env/bin/python -m pip install onedl-mmcv`.'
    )
    assert fault({k: v for k, v in UPSTREAM.items() if k not in ('mmcv-lite', 'mmpretrain')}) == (
        'mmcv and mmpretrain are not installed: '
        'run `/env/bin/python -m pip install mmcv-lite mmpretrain`.'
    )


def test_nothing_installed_gives_one_command_for_all():
    assert fault({}).endswith(
        'pip install torch torchvision onedl-mmengine onedl-mmcv onedl-mmpretrain`.'
    )


def test_mmdet_is_asked_for_by_what_needs_it():
    with pytest.raises(RuntimeError) as error:
        check_environment(GOOD, python='/env/bin/python', needs=['mmdet'])
    assert str(error.value) == (
        'mmdet is not installed: run `/env/bin/python -m pip install onedl-mmdetection`.'
    )
    with pytest.raises(RuntimeError, match='-m pip install mmdet`'):
        check_environment(UPSTREAM, needs=['mmdet'])
    check_environment({**GOOD, 'onedl-mmdetection': '3.5.1'}, needs=['mmdet'])
    check_environment({**UPSTREAM, 'mmdet': '3.3.0'}, needs=['mmdet'])


def test_mmdet_of_both_lines_is_a_conflict():
    message = fault({**UPSTREAM, 'mmdet': '3.3.0', 'onedl-mmdetection': '3.5.1'})
    assert 'onedl-mmdetection 3.5.1 and mmdet 3.3.0 are installed together' in message


@pytest.mark.parametrize(
    ('installed', 'named', 'command'),
    [
        (
            {**UPSTREAM, 'mmcv-lite': '2.2.0'},
            'mmcv-lite 2.2.0 is installed',
            "/env/bin/python -m pip install 'mmcv-lite<2.2'",
        ),
        (
            GOOD,
            'onedl-mmcv 2.3.6 is installed',
            '/env/bin/python -m pip uninstall -y mmdet && '
            '/env/bin/python -m pip install onedl-mmdetection',
        ),
    ],
)
def test_upstream_mmdet_with_an_mmcv_that_it_refuses(installed, named, command):
    check_environment(installed)
    message = fault({**installed, 'mmdet': '3.3.0'})
    assert message.startswith('mmdet 3.3.0 works with an mmcv < 2.2 alone')
    assert named in message
    assert message.endswith(f'run `{command}`.')


@pytest.mark.parametrize('version', ['1.13.1', '2.3.1+cu121'])
def test_old_torch(version):
    message = fault({**GOOD, 'torch': version})
    assert f'torch {version} is installed' in message
    assert "install --upgrade 'torch>=2.4' torchvision`" in message


@pytest.mark.parametrize(
    ('name', 'version', 'command'),
    [
        ('onedl-mmcv', '1.7.2', "'onedl-mmcv>=2.0,<3.0'"),
        ('onedl-mmcv', '3', "'onedl-mmcv>=2.0,<3.0'"),
        ('onedl-mmcv', '3.0.0', "'onedl-mmcv>=2.0,<3.0'"),
        ('onedl-mmengine', '0.9.1', "'onedl-mmengine>=0.10,<1.0'"),
        ('onedl-mmpretrain', '1.1.1', "'onedl-mmpretrain>=1.2,<2.0'"),
    ],
)
def test_version_out_of_bounds(name, version, command):
    message = fault({**GOOD, name: version})
    assert f'{name} {version} is installed' in message
    assert f'pip install {command}`' in message


def test_two_opencv_distributions():
    message = fault({**GOOD, 'opencv-python-headless': '4.9.0.80'})
    assert 'opencv-python 4.10.0.84 and opencv-python-headless 4.9.0.80' in message
    assert 'uninstall -y opencv-python opencv-python-headless &&' in message
    assert message.endswith('-m pip install opencv-python==4.10.0.84`.')


def test_second_opencv_is_no_conflict_that_stops_a_set_up():
    assert find_conflict({**GOOD, 'opencv-python-headless': '4.9.0.80'}) is None


def test_python_path_with_a_space_is_quoted():
    with pytest.raises(RuntimeError, match="'/my env/python' -m pip install onedl-mmcv"):
        check_environment(
            {k: v for k, v in GOOD.items() if k != 'onedl-mmcv'}, python='/my env/python'
        )


def test_line_in_use():
    assert uses_upstream({'mmcv': '2.1.0'})
    assert not uses_upstream({})
    assert not uses_upstream({'onedl-mmcv': '2.3.6', 'mmengine': '0.10.7'})


def add_distribution(site, name, version, record=True):
    folder = site / f'{name.replace("-", "_")}-{version}.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
    if record:
        (folder / 'RECORD').write_text('')


def test_versions_are_read_from_metadata_and_conda_lists_one_opencv_twice(tmp_path, monkeypatch):
    add_distribution(tmp_path, 'onedl-mmcv', '2.3.6')
    add_distribution(tmp_path, 'opencv-python', '4.10.0', record=False)
    add_distribution(tmp_path, 'opencv-python-headless', '4.10.0', record=False)
    add_distribution(tmp_path, 'opencv-contrib-python', '4.9.0')
    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    assert installed_versions() == {'onedl-mmcv': '2.3.6', 'opencv-contrib-python': '4.9.0'}


def test_the_check_imports_nothing_heavy():
    code = (
        'import sys; from dinomm.environment import installed_versions; installed_versions(); '
        'print(sorted({"torch", "numpy", "mmengine", "cv2"} & set(sys.modules)))'
    )
    out = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == '[]'
