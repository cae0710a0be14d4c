"""Sphinx: `make docs` writes build/docs from Markdown and docstrings."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'docs/_ext')]
os.environ.setdefault('OMP_NUM_THREADS', '1')

project = 'dinomm'
author = 'The dinomm contributors'
copyright = author
release = re.search(r"'(.+)'", (ROOT / 'dinomm/version.py').read_text())[1]

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'tool_help',
]
exclude_patterns = ['results']
html_theme = 'furo'
html_title = f'dinomm {release}'
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ['deflist']
myst_heading_anchors = 3

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_typehints_format = 'short'
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = 'literal'

# Every reference into dinomm must resolve; other projects' objects are not
# looked up, since that would download their indices.
nitpicky = True
nitpick_ignore_regex = [
    (r'py:class', r'.*\.(Result|Module)'),  # type variables
    (
        r'py:.*',
        r'(torch|nn|mmengine|mmpretrain|mmcv|numpy|np|matplotlib|PIL)(\..*)?',
    ),
    (r'py:.*', r'(argparse|collections|datetime|pathlib)\..*'),
    (r'py:class', r'Path|Read'),  # in fields of named tuples
    (r'py:data', r'[A-Z_]+'),  # constants of the module itself
    (r'py:class', r'.*\.T'),  # type variables
]
