import itertools
import threading

from dinomm import progress
from dinomm.progress import Countdown, Progress, progress_bar


def test_a_line_is_asked_for_when_it_is_due(monkeypatch):
    clock = iter([0.0, 4.0, 11.0, 12.0])
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
    lines, asked = [], itertools.count(1)
    passed_on = Progress(lines.append, seconds=10)
    for _ in range(3):
        passed_on(lambda: str(next(asked)))
    assert lines == ['1']


def test_the_time_left_is_that_of_the_speed_so_far(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    lines = []
    countdown = Countdown('images', 1200, lines.append, seconds=10)
    now[0] = 20.0
    countdown.add(400)
    now[0] = 100.0
    countdown.add(4000)
    assert lines == [
        '400 of 1,200 images, 20/s, left 0:00:40',
        '1,200 of 1,200 images, 12/s, left 0:00:00',
    ]


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stdout, 'isatty', lambda: True)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '90')
    before = threading.active_count()
    with progress_bar('images', 40) as countdown:
        countdown.add(10)
        assert threading.active_count() == before
        countdown.add(100)
    assert countdown.done == 40
    assert '━━━' in (shown := capsys.readouterr().out) and '40/40' in shown and 'images' in shown


def test_lines_elsewhere(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    with progress_bar('images', 40) as countdown:
        now[0] = 6.0
        countdown.add(10)
    assert capsys.readouterr().out == '10 of 40 images, 2/s, left 0:00:18\n'
