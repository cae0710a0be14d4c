import pytest

from dinomm.visualization.files import replaced_when_whole


def test_file_appears_when_whole(tmp_path):
    target = tmp_path / 'new' / 'file.png'
    with replaced_when_whole(target) as file:
        file.write_text('whole')
        assert not target.exists()
    assert target.read_text() == 'whole'
    assert list(target.parent.iterdir()) == [target]


def test_old_file_outlives_a_failure(tmp_path):
    target = tmp_path / 'file.png'
    target.write_text('old')

    def fail():
        with replaced_when_whole(target) as file:
            file.write_text('half')
            raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        fail()
    assert target.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [target]
