"""Reads Markdown: fenced and indented blocks, and the shell commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ('README.md', 'CONTRIBUTING.md', 'docs/*.md', 'configs/*/README.md')
    for path in ROOT.glob(pattern)
)
SHELL = ('bash', 'console', 'sh', 'shell')
PROGRAMS = ('make', 'python', 'python3', 'bash', 'pip', 'git', 'cd')
"""First words of a command in a block that names no language."""


class Block(NamedTuple):
    """A block of a page: '' is the language of one that names none; ``line`` is its first."""

    language: str
    text: str
    line: int


class Command(NamedTuple):
    """A command as a shell would split it, ``~`` and comments apart.

    Attributes:
        text: As written, on one line.
        variables: Those that stand before it.
        words: Program and arguments.
    """

    text: str
    variables: dict[str, str]
    words: list[str]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    lines = (ROOT / page).read_text().splitlines()
    start = language = fence = None
    for number, line in enumerate(lines, 1):
        opening = re.match(r'(`{3,})\s*(\S*)', line.strip())
        if fence is None and opening:
            fence, language = opening[1], opening[2]
            start = number + 1
        elif fence is not None and line.strip() == fence:
            yield Block(language, '\n'.join(lines[start - 1 : number - 1]), start)
            fence = None
        elif fence is None and re.match(r' {4}\S', line):
            yield Block('', line.strip(), number)
    assert fence is None, f'{page}: the block from line {start} is not closed'


def commands(block: Block) -> list[Command]:
    """The commands of a block; of ``console`` and of blocks without a language, no output."""
    text = block.text.replace('\\\n', ' ')
    if block.language in SHELL:
        lines = [
            line.removeprefix('$ ')
            for line in text.splitlines()
            if block.language != 'console' or line.startswith('$ ')
        ]
    elif block.language == '':
        lines = [
            line.removeprefix('$ ')
            for line in text.splitlines()
            if line.removeprefix('$ ').split(' ')[0] in PROGRAMS
        ]
    else:
        lines = []
    return [command for line in lines if (command := parse(line))]


def parse(line: str) -> Command | None:
    """A command of one line, None for a comment or an empty line.

    Raises:
        ValueError: It needs more of a shell than is understood here.
    """
    words = shlex.split(line, comments=True)
    if not words:
        return None
    for word in words:
        if re.fullmatch(r'[|&;<>]+|\d?>.*', word) or '$(' in word or word in ('for', 'while', 'if'):
            raise ValueError(f'{line!r}: write plain commands in the docs, one a line')
    variables = {}
    while re.match(r'[A-Z_]+=', words[0]):
        name, _, value = words.pop(0).partition('=')
        variables[name] = value
    text = ' '.join(shlex.join([word]) if ' ' in word else word for word in words)
    text = ' '.join([*(f'{name}={value}' for name, value in variables.items()), text])
    return Command(text, variables, words)
