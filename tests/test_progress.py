import itertools

from dinomm import progress
from dinomm.progress import Countdown, Progress


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
