"""What stands in the pages' text between the blocks: keys, options, files, tools, types."""

import ast
import contextlib
import re

import pytest
from mmengine.registry import Registry

from dinomm import launch, registry
from dinomm.config_check import check_config

from .pages import PAGES, ROOT, blocks, commands

INLINE = re.compile(r'(?<!`)`([^`\n]+)`(?!`)')
ROOTS = 'model|train_|val_|test_|optim_wrapper|custom_hooks|default_hooks|param_scheduler|env_cfg'
KEY = re.compile(rf'(?:{ROOTS})[\w.]*\.[\w.]+=\S+|(?:load_from|find_unused_parameters)=\S+')
ANY_CONFIG = 'configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py'
CONFIGS = {
    'model.backbone.with_cp': (
        'configs/esvit/esvit_swin-tiny-w14-continue_16xb32-coslr-300e_in1k.py'
    ),
    'model.heads.region.num_prototypes': 'configs/esvit/quickstart_swin.py',
    'model.heads.koleo.loss_weight': 'configs/dinov2/quickstart_dinov2.py',
    'model.heads.patch.loss_weight': 'configs/dinov2/quickstart_dinov2.py',
}


def inline(page: str) -> list[str]:
    """Code in the text of a page."""
    text = re.sub(r'```.*?```', '', (ROOT / page).read_text(), flags=re.DOTALL)
    return INLINE.findall(text)


def spans(pattern: str) -> list[tuple[str, str]]:
    """Page and code of all inline code that matches."""
    return [(page, code) for page in PAGES for code in inline(page) if re.fullmatch(pattern, code)]


@pytest.mark.parametrize('key', sorted({code for _, code in spans(KEY.pattern)}))
def test_keys_exist_and_their_values_make_sense(key):
    name, _, value = key.partition('=')
    with contextlib.suppress(ValueError, SyntaxError):
        value = ast.literal_eval(value)
    base = {'model.heads.view.teacher_temp': dict(start=0.04, end=0.07, warmup_epochs=30)}
    options = base if name.startswith('model.heads.view.teacher_temp.') else {}
    file = CONFIGS.get(name, ANY_CONFIG)  # a ViT does not take each key of a Swin
    config = launch.read_config(str(ROOT / file), {**options, name: value})
    launch.check_values(config)
    check_config(config)


def test_options_belong_to_a_tool():
    folders = ('tools', 'dinomm', 'tests/fuzz')
    sources = [path for folder in folders for path in (ROOT / folder).rglob('*')]
    scripts = [path for path in sources if path.suffix in ('.py', '.sh')]
    text = ' '.join(path.read_text() for path in scripts)
    known = set(re.findall(r"'(--[a-z][a-z0-9-]*)'", text))
    known |= {'--help', '--time'}  # every tool's, srun's
    texts = [code for _, code in spans(r'.*--[a-z].*')]
    tools = ('tools/', '-m dinomm', '-m tests.fuzz')
    for page in PAGES:
        found = [command.text for block in blocks(page) for command in commands(block)]
        texts += [text for text in found if any(tool in text for tool in tools)]
    given = {
        option for text in texts for option in re.findall(r'(?<=\s)--[a-z][a-z0-9-]*', f' {text}')
    }
    assert given - known == set()  # argparse would take an abbreviation


def test_files_exist():
    paths = spans(r'(configs|tools|tests|dinomm|docs)/[\w./-]+(\.\w+|/)|[A-Z]+\.md')
    assert paths
    missing = [(page, path) for page, path in paths if not (ROOT / path).exists()]
    assert not missing


def test_every_tool_has_its_help_on_the_page():
    shown = set(re.findall(r'{tool-help} (\S+)', (ROOT / 'docs/commands.md').read_text()))
    tools = {
        path.name
        for path in (ROOT / 'tools').iterdir()
        if re.search(r'ArgumentParser\(|Usage: |dinomm.quickstart', path.read_text())
    }
    assert shown == tools


def test_every_registered_type_is_in_the_reference():
    documented = re.findall(r'automodule:: (\S+)', (ROOT / 'docs/api.md').read_text())
    for types in vars(registry).values():
        if isinstance(types, Registry):
            types.import_from_location()
            modules = {cls.__module__ for cls in types.module_dict.values()}
            ours = {m for m in modules if m.startswith('dinomm.')}
            assert ours <= set(documented)


def test_blocks_fit_the_page():
    """Longer lines are cut off by the theme, and a cut command is a wrong one."""
    docs = [page for page in PAGES if page.startswith('docs/')]
    lines = [
        (page, line) for page in docs for block in blocks(page) for line in block[1].split('\n')
    ]
    assert not [line for line in lines if len(line[1]) > 79]
