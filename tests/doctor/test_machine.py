import pytest

from dinomm.doctor import machine


def test_this_machine():
    found = machine.examine_machine()
    assert found.cores >= 1 and found.versions['torch'] and found.versions['mmengine']
    assert found.memory is None or found.memory > 0


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, 'CGROUP', tmp_path)
    return tmp_path


def test_limits_of_a_container(cgroup):
    (cgroup / 'cpu.max').write_text('100000 100000\n')
    (cgroup / 'memory.max').write_text('3000\n')
    (cgroup / 'memory.current').write_text('1000\n')
    assert machine.usable_cores() == 1
    assert machine.available_memory() == 2000


def test_no_limits(cgroup):
    cores, memory = machine.usable_cores(), machine.available_memory()
    (cgroup / 'cpu.max').write_text('max 100000\n')
    (cgroup / 'memory.max').write_text('max\n')
    assert machine.usable_cores() == cores
    assert (machine.available_memory() is None) == (memory is None)


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path):
    assert machine.free_bytes(tmp_path / 'a' / 'b') > 0
