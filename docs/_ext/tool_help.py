"""The directive ``tool-help``: what a tool says of itself, at build time."""

import os
import subprocess
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def help_of(tool: str, *subcommand: str) -> str:
    """The help of a Python tool, or the usage of a shell script.

    Raises:
        RuntimeError: The tool does not give any.
    """
    if tool == 'quickstart.py':  # the file first makes an environment
        command = [sys.executable, '-m', 'dinomm.quickstart', '--help']
    elif tool.endswith('.py'):
        command = [sys.executable, str(TOOLS / tool), *subcommand, '--help']
    else:
        command = ['bash', str(TOOLS / tool)]
    environment = {**os.environ, 'COLUMNS': '78', 'NO_COLOR': '1'}
    ended = subprocess.run(
        command,
        cwd=TOOLS.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    text = ended.stderr if tool.endswith('.sh') else ended.stdout
    if not text.lower().startswith('usage'):
        raise RuntimeError(
            f'{" ".join(command)} gives no help:\n{ended.stderr}'
        )
    return text


class ToolHelp(SphinxDirective):
    """``{tool-help} train.py``, or ``{tool-help} benchmark.py step``."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A literal block of the help."""
        self.env.note_dependency(str(TOOLS / self.arguments[0]))
        text = help_of(*self.arguments).rstrip()
        return [nodes.literal_block(text, text, language='text')]


def setup(app: Sphinx) -> dict:
    """Registers the directive."""
    app.add_directive('tool-help', ToolHelp)
    return {'parallel_read_safe': True}
