"""Runs evaluations as the command line does, in this process."""

import argparse
import json
from pathlib import Path

from dinomm.commands import evaluate
from tests.integration.tiny import ROOT

VIT = str(ROOT / 'configs/dino/quickstart_photos.py')
RESNET = str(ROOT / 'configs/dino/dino_resnet50_8xb64-coslr-100e_in1k.py')
SWIN = str(ROOT / 'configs/esvit/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k.py')


def record(name: str, folder: Path, *options, config: str = VIT) -> dict:
    """What ``tools/evaluate.py NAME CONFIG untrained --data FOLDER`` writes."""
    parser = argparse.ArgumentParser()
    evaluate.add_evaluations(parser)
    path = folder.parent / 'figures.json'
    common = ['--data', folder, '--json', path, '--workers', 0, '--device', 'cpu']
    words = [name, config, 'untrained', *common, *options]
    evaluate.run(parser.parse_args([str(word) for word in words]))
    return json.loads(path.read_text())


def figures(name: str, folder: Path, *options, config: str = VIT) -> dict:
    """The figures of a record."""
    return record(name, folder, *options, config=config)['figures']
