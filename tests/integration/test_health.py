"""Verdicts in whole runs: two collapses made on purpose, and a batch that is not finite."""

import json

import pytest
import torch
from mmengine.hooks import Hook

from dinomm.datasets.embedded import write_digits
from dinomm.registry import HOOKS

from . import tiny
from .processes import run_on, run_tool

NO_CENTERING = {'model.heads.view.centering': "dict(type='MeanCentering', momentum=1)"}
NO_SHARPENING = {'model.heads.view.teacher_temp': 0.1}
