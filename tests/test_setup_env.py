"""The set-up tool, on environments whose pip is a stand-in: nothing is downloaded."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tools'))

import pip_runner
import setup_env
import setup_opencv

ROOT = Path(__file__).resolve().parents[1]
ONEDL = ['onedl-mmengine', 'onedl-mmcv', 'onedl-mmpretrain']

# Stands in for pip: notes its arguments, and installs by writing metadata with the version that a
# requirement starts with. onedl-mmcv brings opencv-python, as it does.
PIP = """
import json, pathlib, re, sys
site = pathlib.Path(__file__).parents[1]
with open(site / 'pip-calls', 'a') as log:
    log.write(json.dumps(sys.argv[1:]) + '\\n')
words = sys.argv[2:]
requirements = [word for i, word in enumerate(words) if word[0] != '-' and words[i - 1] != '-r']
for i, word in enumerate(words):
    if words[i - 1] == '-r':
        requirements += pathlib.Path(word).read_text().splitlines()
for line in requirements:
    name, version = re.match(r'([\\w.-]*)[>=]*(\\S*)', line).groups()
    for name in [name, 'opencv-python'] if name == 'onedl-mmcv' else [name]:
        stem = name.replace('-', '_')
        if name and not list(site.glob(f'{stem}-*.dist-info')):
            folder = site / f'{stem}-{version or 2.9}.dist-info'
            folder.mkdir()
            (folder / 'RECORD').touch()
            text = f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version or 2.9}\\n'
            (folder / 'METADATA').write_text(text)
"""


class FakeEnvironment:
    """A virtual environment with the stand-in for pip and an OpenCV that can be imported."""

    def __init__(self, prefix):
        pip_runner.run([sys.executable, '-m', 'venv', '--without-pip', prefix])
        self.python = prefix / 'bin' / 'python'
        self.site = next(prefix.glob('lib/python*/site-packages'))
        (self.site / 'cv2.py').touch()
        (self.site / 'pip').mkdir()
        (self.site / 'pip/__init__.py').touch()
        (self.site / 'pip/__main__.py').write_text(PIP)

    def add(self, name, version):
        folder = self.site / f'{name.replace("-", "_")}-{version}.dist-info'
        folder.mkdir()
        text = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
        (folder / 'METADATA').write_text(text)
        (folder / 'RECORD').touch()

    def remove(self, name):
        (folder,) = self.site.glob(f'{name.replace("-", "_")}-*.dist-info')
        shutil.rmtree(folder)

    def pip_calls(self):
        log = self.site / 'pip-calls'
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return calls


@pytest.fixture
def no_active_environment(monkeypatch):
    monkeypatch.setattr(sys, 'base_prefix', sys.prefix)
    monkeypatch.delenv('VIRTUAL_ENV', raising=False)
    monkeypatch.delenv('CONDA_PREFIX', raising=False)


@pytest.fixture
def environment(tmp_path, monkeypatch, no_active_environment):
    fake = FakeEnvironment(tmp_path / 'env')
    monkeypatch.setenv('VIRTUAL_ENV', str(tmp_path / 'env'))
    return fake


def test_fresh_environment_gets_everything_once(environment, capfd):
    assert setup_env.ensure_environment(['tests']) == environment.python
    first, second = environment.pip_calls()
    assert first[-2:] == ['torch', 'torchvision']
    assert [word.split('>')[0] for word in second if word.startswith('onedl')] == ONEDL
    files = [Path(word).name for word in second if word.endswith('.txt')]
    assert files == ['runtime.txt', 'data.txt', 'tests.txt']
    assert 'torch==2.9' in second
    steps = capfd.readouterr().err.splitlines()
    assert len(steps) == 6
    assert all(line.startswith('[setup] ') for line in steps)

    for extra in (['tests'], []):
        assert setup_env.ensure_environment(extra) == environment.python
    assert environment.pip_calls() == []
    assert capfd.readouterr() == ('', '')


def test_dinomm_can_be_imported_from_anywhere(environment, tmp_path):
    setup_env.ensure_environment([])
    found = pip_runner.run([environment.python, '-c', 'import dinomm; print(dinomm)'], cwd=tmp_path)
    assert str(ROOT / 'dinomm') in found.stdout


def test_further_extra_and_lost_package_are_installed(environment):
    setup_env.ensure_environment([])
    environment.pip_calls()
    setup_env.ensure_environment(['docs'])
    assert any('docs.txt' in word for word in environment.pip_calls()[0])
    environment.remove('onedl-mmpretrain')
    setup_env.ensure_environment([])
    (call,) = environment.pip_calls()
    assert [word.split('>')[0] for word in call if word.startswith('onedl')] == ['onedl-mmpretrain']
    environment.remove('matplotlib')
    setup_env.ensure_environment([])
    assert len(environment.pip_calls()) == 1


def test_detection_is_installed_once_and_asked_for_by_nothing_else(environment):
    setup_env.ensure_environment([])
    assert not [call for call in environment.pip_calls() if 'onedl-mmdetection>=3.5' in call]
    setup_env.ensure_environment(['tests', 'detection'])
    (call,) = environment.pip_calls()
    assert 'onedl-mmdetection>=3.5' in call
    assert 'pycocotools' in call
    assert [Path(word).name for word in call if word.endswith('.txt')] == [
        'runtime.txt',
        'data.txt',
        'tests.txt',
    ]
    setup_env.ensure_environment(['detection'])
    setup_env.ensure_environment([])
    assert environment.pip_calls() == []
    environment.remove('pycocotools')
    setup_env.ensure_environment([])
    assert environment.pip_calls() == []
    setup_env.ensure_environment(['detection'])
    (call,) = environment.pip_calls()
    assert 'pycocotools' in call
    assert not [word for word in call if 'mmdet' in word]


def test_detection_comes_from_the_line_in_use(environment):
    for name, version in [('mmengine', '0.10.7'), ('mmcv', '2.1.0'), ('torch', '2.4')]:
        environment.add(name, version)
    setup_env.ensure_environment(['detection'])
    words = environment.pip_calls()[-1]
    assert [word for word in words if 'mm' in word] == ['mmpretrain>=1.2', 'mmdet>=3.3']
    setup_env.ensure_environment(['detection'])
    assert environment.pip_calls() == []


def test_mmdet_that_cannot_work_with_the_mmcv_there_is_named(environment):
    environment.add('onedl-mmcv', '2.3.6')
    environment.add('mmdet', '3.3.0')
    with pytest.raises(SystemExit, match=r'uninstall -y mmdet && .* install onedl-mmdetection'):
        setup_env.ensure_environment(['detection'])
    assert environment.pip_calls() == []


def test_second_opencv_that_came_later_is_removed(environment, monkeypatch):
    setup_env.ensure_environment([])
    environment.add('opencv-python-headless', '5.0')
    settled = []
    monkeypatch.setattr(setup_env, 'settle_opencv', lambda *args: settled.append(args))
    with pytest.raises(SystemExit, match=r'opencv-python 2\.3\.4 and opencv-python-headless 5\.0'):
        setup_env.ensure_environment([])
    present = ['opencv-python', 'opencv-python-headless']
    assert settled == [(environment.python, present, present)]


def test_changed_requirement_file_is_installed_again(environment, monkeypatch):
    setup_env.ensure_environment([])
    environment.pip_calls()
    monkeypatch.setattr(setup_env, 'fingerprint', lambda group: f'{group}, changed')
    setup_env.ensure_environment([])
    assert len(environment.pip_calls()) == 1


def test_torch_that_is_there_is_pinned(environment):
    environment.add('torch', '2.6.0+cu124')
    environment.add('torchvision', '0.21.0+cu124')
    setup_env.ensure_environment([])
    (call,) = environment.pip_calls()
    assert {'torch==2.6.0+cu124', 'torchvision==0.21.0+cu124'} <= set(call)
    assert 'torch' not in call


def test_torchvision_is_chosen_for_the_torch_that_is_there(environment):
    environment.add('torch', '2.6.0+cu124')
    setup_env.ensure_environment([])
    assert environment.pip_calls()[0][-3:] == ['torch==2.6.0+cu124', 'torch', 'torchvision']


def test_upstream_libraries_that_are_there_are_kept(environment):
    for name, version in [('mmengine', '0.10.7'), ('mmcv', '2.1.0'), ('torch', '2.4')]:
        environment.add(name, version)
    setup_env.ensure_environment([])
    words = environment.pip_calls()[-1]
    assert [word for word in words if 'mm' in word] == ['mmpretrain>=1.2']


@pytest.mark.parametrize(
    ('package', 'message'),
    [
        (('torch', '2.1.0'), 'dinomm needs torch >= 2.4: run `'),
        (('mmengine', '0.10.7'), 'overwrite each other: run `'),
        (('onedl-mmcv', '1.7.0'), 'pip install'),
    ],
)
def test_conflict_stops_before_anything_is_installed(environment, package, message):
    environment.add('onedl-mmengine', '0.10.12')
    environment.add(*package)
    with pytest.raises(SystemExit, match=message):
        setup_env.ensure_environment([])
    assert environment.pip_calls() == []


def test_another_installed_dinomm_is_named(environment):
    (environment.site / 'dinomm').mkdir()
    (environment.site / 'dinomm/__init__.py').touch()
    with pytest.raises(SystemExit, match=r'Another dinomm .* pip uninstall dinomm'):
        setup_env.ensure_environment([])


def test_unknown_extra():
    with pytest.raises(ValueError, match="Unknown extra 'test': expected some of detection, docs"):
        setup_env.ensure_environment(['test'])


def test_active_environment(tmp_path, monkeypatch, no_active_environment):
    assert setup_env.active_python() is None
    monkeypatch.setenv('VIRTUAL_ENV', str(tmp_path / 'deleted'))
    assert setup_env.active_python() is None
    conda = tmp_path / 'conda'
    (conda / 'bin').mkdir(parents=True)
    (conda / 'bin/python').touch()
    monkeypatch.setenv('CONDA_PREFIX', str(conda))
    assert setup_env.active_python() == conda / 'bin/python'
    monkeypatch.setattr(sys, 'base_prefix', '/elsewhere')
    assert setup_env.active_python() == Path(sys.executable)


def test_clone_gets_an_environment_once(tmp_path, monkeypatch, no_active_environment):
    monkeypatch.setattr(setup_env, 'ROOT', tmp_path)
    made = []

    def make(command):
        made.append(command)
        FakeEnvironment(tmp_path / '.venv')
        return pip_runner.run([sys.executable, '-c', ''])

    with monkeypatch.context() as patch:
        patch.setattr(setup_env, 'run', make)
        python = setup_env.clone_python()
    assert python == tmp_path / '.venv/bin/python'
    assert made == [[sys.executable, '-m', 'venv', '--clear', tmp_path / '.venv']]
    assert setup_env.clone_python() == python


def test_missing_venv_module_names_debians_package(tmp_path, monkeypatch):
    monkeypatch.setattr(setup_env, 'ROOT', tmp_path)
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    version = f'{sys.version_info.major}.{sys.version_info.minor}'
    with pytest.raises(SystemExit, match=f'apt-get install python{version}-venv'):
        setup_env.clone_python()
    assert list(tmp_path.iterdir()) == []


def test_old_python_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(setup_env, 'ROOT', tmp_path)
    monkeypatch.setattr(sys, 'version_info', (3, 9, 1))
    with pytest.raises(SystemExit, match=r'needs Python 3\.10 or newer, and .* is 3\.9'):
        setup_env.clone_python()


class OpenCV:
    """OpenCV distributions, on a machine with or without a display's libraries."""

    def __init__(self, monkeypatch, installed, display, index=True):
        self.installed, self.display, self.index = dict(installed), display, index
        monkeypatch.setattr(setup_opencv, 'pip', self.pip)
        monkeypatch.setattr(setup_opencv, 'run', self.run)

    def pip(self, python, command, *arguments):
        if command == 'download':
            if not self.index:
                raise SystemExit('no network')
            Path(arguments[2], arguments[3]).touch()
        elif command == 'uninstall':
            for name in arguments[1:]:
                del self.installed[name]
        elif command == 'install':
            (file,) = arguments[2:]
            name, version = Path(file).name.split('==')
            self.installed[name] = version

    def run(self, command):
        output = ''
        if 'show' in command:
            output = f'Name: {command[-1]}\nVersion: {self.installed[command[-1]]}\n'
        elif not self.display and not all(name.endswith('headless') for name in self.installed):
            output = 'ImportError: libGL.so.1: cannot open shared object file: No such file'
        code = f'print({output!r}); raise SystemExit({output.startswith("Import")})'
        return pip_runner.run([sys.executable, '-c', code])

    def settle(self, earlier):
        setup_opencv.settle_opencv(Path('python'), sorted(self.installed), earlier)
        return self.installed


@pytest.mark.parametrize(
    ('display', 'installed', 'earlier', 'expected'),
    [
        (True, ['opencv-python'], [], 'opencv-python'),
        (False, ['opencv-python'], [], 'opencv-python-headless'),
        (False, ['opencv-contrib-python'], [], 'opencv-contrib-python-headless'),
        (False, ['opencv-python-headless'], [], 'opencv-python-headless'),
        (
            True,
            ['opencv-python', 'opencv-python-headless'],
            ['opencv-python-headless'],
            'opencv-python-headless',
        ),
        (
            False,
            ['opencv-python', 'opencv-contrib-python'],
            ['opencv-contrib-python'],
            'opencv-contrib-python-headless',
        ),
    ],
)
def test_one_opencv_remains(monkeypatch, display, installed, earlier, expected):
    opencv = OpenCV(monkeypatch, dict.fromkeys(installed, '4.10.0'), display)
    assert opencv.settle(earlier) == {expected: '4.10.0'}


def test_opencv_that_was_there_keeps_its_version(monkeypatch):
    installed = {'opencv-python': '5.0.0', 'opencv-python-headless': '4.12.0'}
    opencv = OpenCV(monkeypatch, installed, display=True)
    assert opencv.settle(['opencv-python-headless']) == {'opencv-python-headless': '4.12.0'}


def test_opencv_stays_if_the_headless_one_cannot_be_downloaded(monkeypatch):
    opencv = OpenCV(monkeypatch, {'opencv-python': '4.10.0'}, display=False, index=False)
    with pytest.raises(SystemExit, match='no network'):
        opencv.settle([])
    assert opencv.installed == {'opencv-python': '4.10.0'}


def test_opencv_that_fails_otherwise_is_not_replaced(environment):
    (environment.site / 'cv2.py').write_text('raise ImportError("numpy is broken")')
    with pytest.raises(SystemExit, match=r'cannot be imported by .*: ImportError: numpy is broken'):
        setup_opencv.settle_opencv(environment.python, ['opencv-python'], [])


@pytest.mark.parametrize(
    ('error', 'lacking'),
    [
        ('ImportError: libGL.so.1: cannot open shared object file: No such file', True),
        ('ImportError: libgthread-2.0.so.0: cannot open shared object file: No such', True),
        ('ImportError: Error loading shared library libGL.so.1: No such file (needed by', True),
        ("ModuleNotFoundError: No module named 'cv2'", False),
        ('ImportError: numpy.core.multiarray failed to import', False),
        ('', False),
    ],
)
def test_missing_shared_library_is_told_from_other_errors(error, lacking):
    assert setup_opencv.lacks_shared_library(error) == lacking


@pytest.mark.parametrize(
    ('output', 'sentence'),
    [
        ('OSError: [Errno 28] No space left on device', 'The disk is full'),
        ('WARNING: Retrying after NewConnectionError\nERROR: No matching', 'check the network'),
        ('ERROR: No matching distribution found for torch>=2.4', 'pip finds no torch>=2.4'),
        ('error: externally-managed-environment', 'pip may not write here'),
        ('error: something else', 'pip failed, as said above'),
    ],
)
def test_failure_of_pip_is_explained(output, sentence):
    assert sentence in pip_runner.explain(output)
