import pytest

from dinomm.foreign_names import LinkedPlaces, fault_of_name


@pytest.mark.parametrize(
    'name', ['a.jpg', 'a/b.jpg', './a.jpg', 'a..b/..c.jpg', 'a::b.jpg', 'a//b']
)
def test_names_below_a_folder(name):
    assert fault_of_name(name) is None


@pytest.mark.parametrize('name', ['/a', '//a', '..', '../a', 'a/../b', 'a/..', 'a\0b'])
@pytest.mark.parametrize('in_url', [True, False])
def test_names_that_leave_it(name, in_url):
    assert fault_of_name(name, in_url)


@pytest.mark.parametrize('name', ['a::b', '%2e%2E/a', '%2fa', 'a/%2e./b'])
def test_names_that_leave_a_url(name):
    assert fault_of_name(name, in_url=True)


def test_links(tmp_path):
    (tmp_path / 'in/sub').mkdir(parents=True)
    (tmp_path / 'inner').mkdir()  # begins with the folder's name
    (tmp_path / 'in/up').symlink_to('..')
    (tmp_path / 'in/beside').symlink_to('../inner')
    (tmp_path / 'in/stays').symlink_to('sub')
    (tmp_path / 'in/file').symlink_to('../gone.jpg')
    places = LinkedPlaces(tmp_path / 'in')
    inside = ['x.jpg', 'sub/x.jpg', 'stays/x.jpg', 'gone/x.jpg']
    assert [places.outside(name) for name in inside] == [None] * 4
    assert places.outside('up/x.jpg') == str(tmp_path)
    assert places.outside('beside/x.jpg') == str(tmp_path / 'inner')
    assert places.outside('file') == str(tmp_path / 'gone.jpg')
