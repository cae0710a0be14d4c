import ast
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import dinomm

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = re.compile(r'(onedl-)?(mmengine|mmcv|mmpretrain|mmdet)')

# Import names whose distribution is called otherwise or comes with another one.
DISTRIBUTIONS = {
    'PIL': 'pillow',
    'cv2': 'onedl-mmcv',
    'mmdet': 'onedl-mmdetection',
    'mmcv': 'onedl-mmcv',
    'mmengine': 'onedl-mmengine',
    'mmpretrain': 'onedl-mmpretrain',
    'faiss': 'faiss-cpu',
    'skimage': 'scikit-image',
    'sklearn': 'scikit-learn',
    'umap': 'umap-learn',
}


@pytest.fixture(scope='module')
def arguments():
    """What setup.py hands to setuptools."""
    setuptools = pytest.importorskip('setuptools')
    handed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, 'setup', handed.update)
        runpy.run_path(str(ROOT / 'setup.py'))
    return handed


def names(requirements):
    return {re.split(r'[^\w.-]', requirement)[0] for requirement in requirements}


def test_version_is_the_packages(arguments):
    assert arguments['version'] == dinomm.__version__
    assert f'\nversion: {dinomm.__version__}\n' in (ROOT / 'CITATION.cff').read_text()


def test_no_library_that_overwrites_another_is_required(arguments):
    required = names(arguments['install_requires'])
    assert not [name for name in required if LIBRARY.match(name) or name.startswith('opencv')]


def test_torch_has_a_lower_bound_only(arguments):
    assert 'torch>=2.4' in arguments['install_requires']
    assert 'torchvision' in names(arguments['install_requires'])
    assert not [r for r in arguments['install_requires'] if re.search('<|==|~=', r)]


def test_extras_offer_each_line_of_libraries_alone(arguments):
    extras = {
        name: names(requirements) for name, requirements in arguments['extras_require'].items()
    }
    assert extras['onedl'] == {'onedl-mmengine', 'onedl-mmcv', 'onedl-mmpretrain'}
    assert extras['openmmlab'] == {'mmengine', 'mmcv-lite', 'mmpretrain'}
    assert extras['detection'] == {'onedl-mmdetection', 'pycocotools'}
    assert extras['detection-openmmlab'] == {'mmdet', 'mmcv-lite', 'pycocotools'}
    assert {'mlxtend', 'scikit-image'} <= extras['data']
    assert {'pytest', 'ruff', 'mypy'} <= extras['tests']


def test_only_the_package_is_installed(arguments):
    assert 'dinomm.verification' in arguments['packages']
    assert {name.split('.')[0] for name in arguments['packages']} == {'dinomm'}


def test_every_import_of_the_package_is_in_a_requirement_file(arguments):
    extras = arguments['extras_require']
    used = ('onedl', 'data', 'detection', 'optional', 'remote')
    declared = names([*arguments['install_requires'], *(r for name in used for r in extras[name])])
    for file in (ROOT / 'dinomm').rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            for module in modules:
                name = module.split('.')[0]
                if name != 'dinomm' and name not in sys.stdlib_module_names:
                    assert DISTRIBUTIONS.get(name, name) in declared, (
                        f'{file}:{node.lineno} imports {name}: add it to requirements/runtime.txt '
                        'or requirements/optional.txt'
                    )


def test_a_wheel_can_be_built_from_the_source_distribution(tmp_path):
    pytest.importorskip('setuptools', minversion='70.1')
    tree = tmp_path / 'tree'
    tree.mkdir()
    for name in ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'LICENSE', 'CITATION.cff'):
        shutil.copy(ROOT / name, tree)
    shutil.copy(ROOT / 'CHANGELOG.md', tree)
    for folder in ('dinomm', 'requirements'):
        shutil.copytree(ROOT / folder, tree / folder)
    build = 'import setuptools.build_meta as b; b.build_{}({!r})'

    def run(kind, folder):
        code = build.format(kind, str(tmp_path))
        subprocess.run([sys.executable, '-c', code], cwd=folder, check=True, capture_output=True)

    run('sdist', tree)
    with tarfile.open(tmp_path / f'dinomm-{dinomm.__version__}.tar.gz') as archive:
        archive.extractall(tmp_path)
    run('wheel', tmp_path / f'dinomm-{dinomm.__version__}')
    wheel = zipfile.ZipFile(tmp_path / f'dinomm-{dinomm.__version__}-py3-none-any.whl')
    assert 'dinomm/verification/run.py' in wheel.namelist()
    info = f'dinomm-{dinomm.__version__}.dist-info'
    assert 'Requires-Dist: torch>=2.4\n' in wheel.read(f'{info}/METADATA').decode()
    assert any(name.startswith(info) and 'LICENSE' in name for name in wheel.namelist())


@pytest.mark.skipif(shutil.which('make') is None, reason='needs make')
@pytest.mark.parametrize(
    ('target', 'command'),
    [
        (['setup'], 'tools/setup_env.py'),
        (['quickstart'], 'python3 tools/quickstart.py'),
        (['quickstart', 'IMAGES=my photos'], 'python3 tools/quickstart.py --images "my photos"'),
        (['quickstart', 'IMAGES=~/photos'], '--images "/home/me/photos"'),
        (['test'], '-m pytest -n 2 --dist worksteal -m "not slow and not gpu"'),
        (['test-all'], '-m pytest -n 2 --dist worksteal\n'),
        (['results'], 'tools/results.py'),
        (['lint'], '-m ruff format --check .'),
        (['types'], '-m mypy'),
        (['test-all'], 'setup_env.py tests detection'),
    ],
)
def test_make_targets(target, command):
    shown = subprocess.run(
        ['make', '--dry-run', '--no-print-directory', *target, 'HOME=/home/me'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert command in shown.stdout
