"""A report in headless Chromium: nothing fails, nothing overflows, every section is there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dinomm.report.html import Html, tag
from dinomm.report.page import Section, missing, page
from tests.report.test_build import EVIL, NOW, SECTIONS, trained, write_report  # noqa: F401

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-sync',
    '--disable-background-networking',
    '--disable-component-update',
    '--allow-file-access-from-files',
    '--enable-logging=stderr',
    '--virtual-time-budget=5000',
    '--dump-dom',
)
LOOK = """
<iframe src="{name}" style="width:{width}px;height:800px;border:0"></iframe>
<pre id="seen"></pre>
<script>
const frame = document.querySelector('iframe');
frame.addEventListener('load', () => {{
  const inside = frame.contentDocument;
  const root = inside.documentElement;
  document.getElementById('seen').textContent = JSON.stringify({{
    title: inside.title,
    ran: Boolean(frame.contentWindow.ran),
    width: root.clientWidth,
    overflow: root.scrollWidth - root.clientWidth,
    sections: [...inside.querySelectorAll('main section')].map(part => part.id),
    hidden: [...inside.querySelectorAll('h2, figure, svg, img, td, pre')]
      .filter(part => !part.closest('details') && !part.getBoundingClientRect().width).length,
    images: [...inside.images].map(image => image.naturalWidth),
    wide: [...inside.querySelectorAll('svg, img')]
      .filter(part => part.getBoundingClientRect().right > root.clientWidth).length,
    fetched: frame.contentWindow.performance.getEntriesByType('resource')
      .map(entry => entry.name).filter(name => !name.startsWith('data:')),
  }});
}});
</script>
"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason='needs Chromium: apt-get install chromium, or Google Chrome'
)


def look(report: Path, width: int, *options: str) -> dict:
    """What a browser shows of a page at a width; it fails if the browser complains of it."""
    outer = report.with_name(f'look_{width}.html')
    outer.write_text(LOOK.format(name=report.name, width=width))
    ended = subprocess.run(
        [
            *(CHROMIUM, *OPTIONS, *options, '--window-size=1400,900'),
            f'--user-data-dir={report.parent / "profile"}',
            outer.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    complaints = re.findall(r'.*CONSOLE.*', ended.stderr)
    assert not complaints, complaints
    seen = re.search(r'<pre id="seen">(.+?)</pre>', ended.stdout, re.DOTALL)
    assert seen, ended.stdout[-2000:] + ended.stderr[-2000:]
    return json.loads(seen[1].replace('&lt;', '<').replace('&gt;', '>').replace('&amp;', '&'))


@pytest.fixture(scope='module')
def report(trained, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp('browser') / 'report.html'
    write_report(trained('vit') / 'run', path, images=2, now=NOW)
    return path


@pytest.mark.parametrize('width', [1280, 400, 360])
def test_every_section_is_shown(report, width):
    seen = look(report, width)
    assert seen['sections'] == SECTIONS
    assert len(seen['images']) == 6
    assert all(seen['images'])
    assert width - 20 <= seen['width'] <= width  # a scroll bar
    assert (seen['overflow'], seen['wide'], seen['hidden']) == (0, 0, 0)
    assert seen['fetched'] == []


def test_what_comes_from_files_does_not_run(tmp_path):
    path = tmp_path / 'report.html'
    evil = '<script>window.ran = 1</script><img src=x onerror="window.ran = 1">'
    section = Section('a', evil, tag('p', evil, title=f'"{evil}'))
    path.write_text(page(evil, missing(evil), [section]))
    seen = look(path, 1280)
    assert (seen['title'], seen['ran'], seen['images']) == (evil, False, [])


def test_looking_finds_faults(tmp_path):
    path = tmp_path / 'report.html'
    wide = Html('<div style="width: 900px">wide</div><img src="data:image/png;base64,AAAA">')
    path.write_text(page('Title', wide, []))
    seen = look(path, 400)
    assert seen['overflow'] > 400
    assert seen['images'] == [0]
    policy = path.read_text()
    path.write_text(policy + EVIL)
    with pytest.raises(AssertionError, match='Content Security Po'):
        look(path, 400)
