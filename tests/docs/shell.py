"""Runs the docs' blocks in a tree that looks like a clone, at the size of seconds."""

import os
import re
import shutil
import subprocess
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

from dinomm.visualization.video import write_film
from tests.detection.coco import cutout
from tests.evaluation import folders
from tests.integration import processes, tiny

from .pages import Block, Command, commands
from .small_tool import VIT

SMALL_TOOL = str(Path(__file__).parent / 'small_tool.py')
STAND_IN = '#!/bin/sh\nprintf "%s\\n" "$@"\n'  # for torchrun and srun: prints its arguments
SMALLER = {
    ('evaluate.py', 'video-segmentation'): '--short-side 64',
    ('evaluate.py', 'copy-detection'): '--size 64 --workers 0',
    ('evaluate.py', 'retrieval'): '--workers 0',
    ('evaluate.py', 'segmentation-by-attention'): '--size 64',
    ('benchmark.py', 'features'): '--images 8 --batch 4 --workers 1 --rounds 1',
    ('benchmark.py', 'loader'): '--images 20 --entries 2000 --rounds 1',
    ('benchmark.py', 'step'): '--backbone vit-tiny --prototypes 64 --batch 1 --locals 1 '
    '--rounds 1 --steps 1',
    ('benchmark.py', 'augment'): '--images 16 --batch 4 --workers 1 --rounds 1',
    ('convert.py', 'dino'): '--heads 3',
    ('prepare_data.py', 'coco'): '--images 10 --size 64',
}
"""Arguments that follow those of a measurement."""
WRITTEN = {
    'bash tools/dist_train.sh configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py 8 --amp': (
        'work_dirs/dino_vit-small-p16_8xb64-coslr-100e_in1k'
    ),
    'python tools/prepare_data.py coco': 'data/coco_quick',
    'python tools/train.py configs/dino/quickstart_photos.py --data ~/photos '
    '--work-dir work_dirs/photos': 'work_dirs/photos',
    'python tools/train.py configs/esvit/quickstart_swin.py': 'work_dirs/quickstart_swin',
}
"""Commands of several pages that need nothing but a new tree, and the folder they write."""


class Tree:
    """A folder with the clone's configs, tools and data, a home with photographs in it.

    Args:
        folder: Where it is made.
        written: What commands of `WRITTEN` wrote, to be copied into the trees that come later.
    """

    def __init__(self, folder: Path, written: Path) -> None:
        forkserver.ensure_running()  # here, where `import dinomm` is this clone's
        self.folder = folder / 'dinomm'
        self.written = written
        self.home = folder / 'home'
        self.programs = folder / 'bin'
        for path in (self.folder / 'data', self.home, self.programs):
            path.mkdir(parents=True)
        for name in ('configs', 'tools', 'tests'):
            (self.folder / name).symlink_to(tiny.ROOT / name)
        tiny.write_data(self.folder / 'data' / 'imagenet')
        (self.folder / 'data' / 'imagenet22k').symlink_to('imagenet/train')
        photos = tiny.write_images(self.home / 'photos')
        paths = sorted(str(path.relative_to(photos)) for path in photos.rglob('*.png'))
        (photos / 'some.txt').write_text('\n'.join(paths))
        labelled = '\n'.join(f'{path} {Path(path).parent}' for path in paths)
        (self.folder / 'lists').mkdir()
        for part in ('train', 'val'):
            (self.folder / 'lists' / f'{part}.txt').write_text(labelled)
        write_detection_data(self.home)
        write_film(
            map(np.asarray, map(Image.open, photos.rglob('*.png'))), self.home / 'film.mp4', 5
        )
        folders.write_davis(self.folder / 'data' / 'DAVIS')
        folders.write_voc(self.folder / 'data' / 'VOCdevkit' / 'VOC2012')
        folders.write_copydays(self.folder / 'data' / 'copydays')
        folders.write_revisited(self.folder / 'data' / 'roxford5k')
        for name in ('dino_deitsmall16_pretrain.pth', 'dinov2_vits14_pretrain.pth'):
            write_released(self.folder / name)
        for name in ('torchrun', 'srun'):
            (self.programs / name).write_text(STAND_IN)
            (self.programs / name).chmod(0o755)

    def run(self, command: Command) -> str:
        """Runs a command; returns what it printed, nothing if another tree's folder is copied.

        Raises:
            AssertionError: It failed.
        """
        name = WRITTEN.get(command.text)
        if name is None or (self.folder / name).exists():
            return self._run(command)
        kept = self.written / name
        if kept.exists():
            shutil.copytree(kept, self.folder / name)
            return ''
        printed = self._run(command)
        shutil.copytree(self.folder / name, kept)
        return printed

    def _run(self, command: Command) -> str:
        words = [re.sub(r'^~(?=/|$)', str(self.home), word) for word in command.words]
        self.provide_checkpoints(' '.join(words))
        match words:
            case ['python' | 'python3', script, *arguments]:
                return self._tool(Path(script), arguments, command.variables)
            case ['bash', 'tools/dist_train.sh' | 'tools/slurm_train.sh' as script, *arguments]:
                return self._launch(script, arguments, command.variables)
        raise ValueError(f'nobody knows how to run {command.text!r}: add it to the NOT_RUN table')

    def _tool(self, script: Path, arguments, variables) -> str:
        assert script.parent == Path('tools') and (self.folder / script).is_file(), script
        digits = self.folder / 'data/digits'
        if script.name == 'train.py' and not digits.exists():
            tiny.write_data(digits)
        smaller = SMALLER.get((script.name, *arguments[:1]), '').split()
        ended = processes.run_tool(
            SMALL_TOOL,
            *(script.name, *arguments, *smaller),
            cwd=self.folder,
            HOME=str(self.home),
            **variables,
        )
        assert ended.status == 0, ended.err
        if (script.name, *arguments) == ('prepare_data.py', 'digits'):
            shutil.rmtree(digits)  # 5,000 images take a run minutes
            tiny.write_data(digits)
        return ended.out

    def _launch(self, script: str, arguments, variables) -> str:
        """The launcher's own arguments by a stand-in; then two processes, or one for Slurm."""
        path = f'{self.programs}{os.pathsep}{os.environ["PATH"]}'
        started = subprocess.run(
            ['bash', script, *arguments],
            cwd=self.folder,
            env={'PATH': path, 'VIRTUAL_ENV': 'active', **variables},
            capture_output=True,
            text=True,
        )
        assert started.returncode == 0, started.stderr
        words = started.stdout.splitlines()
        arguments = words[words.index(str(self.folder / 'tools/train.py')) + 1 :]
        at = arguments.index('--launcher')
        launcher = arguments[at + 1]
        del arguments[at : at + 2]
        if launcher == 'slurm':
            return self._tool(Path('tools/train.py'), arguments, {})
        ended = processes.run_on(2, SMALL_TOOL, 'train.py', *arguments, cwd=self.folder)
        for process in ended:
            assert process.status == 0, process.err
        return ended[0].out

    def provide_checkpoints(self, text: str) -> None:
        """Names the last checkpoint of a shortened run as the text does."""
        for name in re.findall(r'work_dirs/[\w./-]+\.pth', text):
            path = self.folder / name
            last = path.parent / 'last_checkpoint'
            if not path.exists() and last.is_file():
                shutil.copy(self.folder / last.read_text().strip(), path)


def write_detection_data(home: Path) -> None:
    """Cut-outs of two classes; a YOLO folder with a box and a polygon in each image."""
    for name in ('cat', 'dog'):
        for i in range(2):
            cutout(home / 'cutouts' / name / f'{i}.png')
    for part in ('train', 'val'):
        images, labels = (home / 'yolo' / kind / part for kind in ('images', 'labels'))
        labels.mkdir(parents=True)
        for image in list(tiny.write_images(images, images=tiny.CLASSES).rglob('*.png')):
            image.rename(images / image.name)
            image.parent.rmdir()
            text = '0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.6 0.1 0.6 0.8\n'
            (labels / f'{image.stem}.txt').write_text(text)


def write_released(path: Path) -> None:
    """A backbone of the small network, under the names of the published files."""
    vit = timm.create_model(
        'vit_tiny_patch16_224',
        img_size=VIT['img_size'],
        patch_size=VIT['patch_size'],
        embed_dim=VIT['arch']['embed_dims'],
        depth=VIT['arch']['num_layers'],
        num_heads=VIT['arch']['num_heads'],
        mlp_ratio=2,
        num_classes=0,
    )
    torch.save(vit.state_dict(), path)


def run_block(block: Block, tree: Tree, names: dict, not_run) -> None:
    """Runs a block: commands, a file whose name stands in its first line, or Python."""
    for command in commands(block):
        if command.text not in not_run:
            tree.run(command)
    if block.language != 'python':
        return
    named = re.match(r'# ([\w/]+\.py)\b', block.text)
    if named:
        (tree.folder / named[1]).write_text(block.text + '\n')
    else:
        tree.provide_checkpoints(block.text)
        exec(compile(block.text, f'<line {block.line}>', 'exec'), names)
