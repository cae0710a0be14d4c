"""The commands in the configs' docstrings and in their READMEs."""

import ast
import importlib.util
import re
import shlex

import pytest

from dinomm import launch
from dinomm.config_check import check_config

from . import detectors, shipped, tiny

READMES = '\n'.join(path.read_text() for path in (tiny.ROOT / 'configs').glob('*/README.md'))
SHELL = '\n'.join(re.findall(r'```shell\n(.*?)```', READMES, re.DOTALL))
IN_README = [line for line in SHELL.splitlines() if line and not line.startswith('#')]


def options_of(tool: str, arguments: list[str], monkeypatch):
    """What a tool makes of its command line."""
    spec = importlib.util.spec_from_file_location('tool', tiny.ROOT / tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr('sys.argv', [tool, *arguments])
    return module.parse_args()


def understood(command: str, monkeypatch):
    """Its config with its options applied, and the number of GPUs."""
    words = shlex.split(command)
    gpus = 1
    while '=' in words[0]:
        name, value = words.pop(0).split('=')
        gpus *= int(value)
        assert name in ('NNODES', 'GPUS')
    interpreter, tool, *arguments = words
    assert interpreter == ('bash' if tool.endswith('.sh') else 'python')
    assert (tiny.ROOT / tool).is_file()
    if tool == 'tools/dist_train.sh':
        config, processes, *arguments = arguments
        gpus *= int(processes)
        arguments = [config, *arguments]
    elif tool == 'tools/slurm_train.sh':
        _, _, config, work_dir, *arguments = arguments
        arguments = [config, '--work-dir', work_dir, *arguments]
    python = tool if tool.endswith('.py') else 'tools/train.py'
    args = options_of(python, arguments, monkeypatch)
    config = launch.read_config(str(tiny.ROOT / args.config), args.cfg_options)
    check_config(config)
    return config, gpus


def global_batch(config, gpus: int) -> int:
    return (
        config.train_dataloader.batch_size
        * config.optim_wrapper.get('accumulative_counts', 1)
        * gpus
    )


def docstring_commands(path: str) -> list[str]:
    text = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    return re.findall(r'^\s*(?:Command: )?((?:(?:NNODES|GPUS)=\d+ )?bash .*)$', text, re.MULTILINE)


@pytest.mark.parametrize(
    'path', [p for p in shipped.CONFIGS + detectors.CONFIGS if 'quickstart' not in p]
)
def test_command_of_a_docstring(path, monkeypatch):
    (command,) = docstring_commands(path)
    assert path in command
    config, gpus = understood(command, monkeypatch)
    assert global_batch(config, gpus) == config.auto_scale_lr.base_batch_size


@pytest.mark.parametrize('command', IN_README)
def test_command_of_the_readme(command, monkeypatch):
    config, gpus = understood(command, monkeypatch)
    if '--data' not in command and 'test.py' not in command:
        assert global_batch(config, gpus) == config.auto_scale_lr.base_batch_size
