import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    text = (ROOT / 'dinomm' / 'version.py').read_text()
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


def read_requirements(name: str) -> list[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def read_description() -> str:
    readme = ROOT / 'README.md'
    return readme.read_text() if readme.exists() else ''


setup(
    name='dinomm',
    version=read_version(),
    description='Self-supervised pretraining of vision backbones in MMEngine style',
    long_description=read_description(),
    long_description_content_type='text/markdown',
    author='The dinomm contributors',
    license='Apache-2.0',
    keywords='self-supervised learning, DINO, EsViT, DINOv2, computer vision, OpenMMLab',
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    packages=find_packages(include=['dinomm', 'dinomm.*']),
    python_requires='>=3.10',
    install_requires=read_requirements('runtime'),
    # The OpenMMLab libraries are extras: upstream's and onedl's overwrite each other's files, so
    # a dependency on either would break an installation of the other.
    extras_require={
        'onedl': read_requirements('mminstall'),
        'openmmlab': read_requirements('mminstall_openmmlab'),
        'detection': read_requirements('detection'),
        'detection-openmmlab': read_requirements('detection_openmmlab'),
        'data': read_requirements('data'),
        'optional': read_requirements('optional'),
        'remote': read_requirements('remote'),
        'tests': read_requirements('tests'),
        'docs': read_requirements('docs'),
    },
    zip_safe=False,
)
