import faulthandler
import os
import signal
import time

import pytest

from dinomm.datasets import check_pool
from dinomm.datasets.check_pool import inspect_all
from dinomm.datasets.inspection import Finding
from dinomm.datasets.listing import find_images
from tests.datasets import picture_kinds


@pytest.fixture
def listing(tmp_path):
    """Twelve good images, 00.png to 11.png."""
    for i in range(12):
        (tmp_path / f'{i:02}.png').write_bytes(picture_kinds.encoded(picture_kinds.photo(i), 'PNG'))
    return find_images(tmp_path)


@pytest.fixture
def faulty(monkeypatch):
    """Gives some rows another end than a finding; the processes are forked with it."""
    ends = {}

    def inspect(self, row):
        if row in ends:
            ends[row]()
        return own(self, row)

    own = check_pool.Images.inspect
    monkeypatch.setattr(check_pool.Images, 'inspect', inspect)
    return ends


def crash():
    faulthandler.disable()  # pytest's, which writes a page
    os.kill(os.getpid(), signal.SIGSEGV)


def found(listing, workers=2, seconds=30.0):
    counts = []
    findings = list(inspect_all(listing, workers, seconds, counts.append))
    assert len(dict(findings)) == len(findings)
    assert sum(counts) == len(listing.paths) and min(counts) >= 0
    return dict(findings)


@pytest.mark.parametrize('workers', [1, 2, 20])
def test_names_the_broken_ones(listing, tmp_path, workers):
    assert found(listing, workers) == {}
    (tmp_path / '03.png').write_bytes(b'')
    (tmp_path / '11.png').unlink()
    assert {row: finding.fault for row, finding in found(listing, workers).items()} == {
        3: 'empty',
        11: 'missing',
    }


def test_an_image_that_kills_its_process_is_named(listing, faulty):
    faulty[4] = lambda: os.kill(os.getpid(), signal.SIGKILL)
    faulty[5] = lambda: os._exit(3)
    faulty[11] = crash
    assert found(listing) == {
        4: Finding('ends the process', 'SIGKILL while it was decoded'),
        5: Finding('ends the process', 'exit status 3 while it was decoded'),
        11: Finding('ends the process', 'SIGSEGV while it was decoded'),
    }


def test_a_process_that_is_killed_from_outside_condemns_no_image(listing, faulty, tmp_path):
    def die_once():
        if not (tmp_path / 'died').exists():
            (tmp_path / 'died').touch()
            os.kill(os.getpid(), signal.SIGKILL)

    faulty[7] = die_once
    assert found(listing) == {} and (tmp_path / 'died').exists()


def test_an_image_that_takes_too_long_is_named(listing, faulty):
    faulty[0] = faulty[6] = lambda: time.sleep(100)
    begin = time.monotonic()
    late = Finding('too slow', 'it took longer than 0.5 s')
    assert found(listing, seconds=0.5) == {0: late, 6: late}
    assert time.monotonic() - begin < 30


def test_all_of_them_end_their_processes(listing, faulty):
    faulty.update(dict.fromkeys(range(12), lambda: os._exit(1)))
    assert len(found(listing, workers=3)) == 12


def test_a_storage_that_fails_says_nothing_of_the_images(listing, faulty):
    def fail():
        raise OSError('the server does not answer')

    faulty[2] = fail
    with pytest.raises(OSError, match='does not answer'):
        found(listing)


def test_a_fault_of_this_package_is_no_fault_of_the_image(listing, faulty):
    faulty[2] = lambda: {}['x']
    with pytest.raises(RuntimeError, match=r'02\.png: KeyError'):
        found(listing)


def test_processes_that_cannot_begin(listing, monkeypatch):
    monkeypatch.setattr(check_pool, '_work', lambda *_: os._exit(4))
    with pytest.raises(RuntimeError, match=r'ended as it began \(exit status 4'):
        found(listing)


def test_leaving_early_ends_the_processes(listing, faulty, tmp_path):
    (tmp_path / '00.png').write_bytes(b'')
    faulty[1] = faulty[6] = lambda: time.sleep(100)
    findings = inspect_all(listing, 2, 30, lambda _: None)
    assert next(findings)[0] == 0
    before = set(check_pool.multiprocessing.active_children())
    findings.close()
    assert before and not set(check_pool.multiprocessing.active_children()) & before
