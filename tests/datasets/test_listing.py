import os
import pickle

import pytest

from dinomm.datasets.file_names import PackedPaths
from dinomm.datasets.listing import (
    find_images,
    folder_labels,
    in_validation_part,
    scan_folder,
)


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folder_is_searched_at_any_depth_and_sorted(tmp_path):
    touch(tmp_path, 'b/x.JPEG', 'b/deep/er/y.png', 'a.webp', 'a/z.jpg', 'notes.txt', 'b/model.pth')
    assert scan_folder(tmp_path) == ['a.webp', 'a/z.jpg', 'b/deep/er/y.png', 'b/x.JPEG']


def test_hidden_files_and_folders_are_left_out(tmp_path):
    touch(tmp_path, 'a.jpg', '.a.jpg', '.thumbnails/a.jpg', 'b/.cache/a.jpg')
    assert scan_folder(tmp_path) == ['a.jpg']


def test_links_are_followed_once(tmp_path):
    touch(tmp_path, 'elsewhere/a.jpg')
    data = tmp_path / 'data'
    data.mkdir()
    (data / 'cat').symlink_to(tmp_path / 'elsewhere', target_is_directory=True)
    (tmp_path / 'elsewhere' / 'loop').symlink_to(data, target_is_directory=True)
    assert scan_folder(data) == ['cat/a.jpg']


def test_nothing_found_names_the_suffixes(tmp_path):
    touch(tmp_path, 'a.txt')
    with pytest.raises(ValueError, match=r'no images found in .*\.jpeg, \.jpg'):
        find_images(tmp_path)


def test_missing_or_wrong_root(tmp_path):
    with pytest.raises(ValueError, match='nowhere, which does not exist'):
        find_images(tmp_path / 'nowhere')
    touch(tmp_path, 'images.zip')
    with pytest.raises(ValueError, match='is none of these: a folder of images'):
        find_images(tmp_path / 'images.zip')


def write_list(folder, text, name='list.txt'):
    (folder / name).write_text(text, encoding='utf-8')
    return folder / name


def test_list_without_labels(tmp_path):
    touch(tmp_path, 'a.jpg')
    listing = find_images(write_list(tmp_path, '# mine\na.jpg\n\nsub/my cat.PNG\n'))
    assert listing.storage.folder == tmp_path
    assert listing[1:] == (['a.jpg', 'sub/my cat.PNG'], None)


def test_list_with_labels_and_data_root(tmp_path):
    touch(tmp_path, 'images/a.jpg')
    file = write_list(tmp_path, 'a.jpg 3\nmy cat.jpg\t12\n')
    listing = find_images(file, data_root=tmp_path / 'images')
    assert listing.storage.folder == tmp_path / 'images'
    assert listing[1:] == (['a.jpg', 'my cat.jpg'], ['3', '12'])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a.jpg 1\nb.doc 2\n', "line 2: expected .* found 'b.doc 2'"),
        ('a.jpg 1\nb.jpg 2 3\n', 'line 2: expected'),
        ('a.jpg\nb.jpg cat\n', 'line 2: has a label'),
        ('a.jpg 0\nb.jpg\n', 'line 2: lacks a label'),
        ('# nothing\n', 'lists no images'),
        ('a.jpg 12345678901234567890\n', 'line 1: .* is no class: expected a number of at most'),
        ('gone.jpg\n', 'gone.jpg does not exist.*set data_root'),
    ],
)
def test_bad_lists(tmp_path, text, message):
    touch(tmp_path, 'a.jpg')
    with pytest.raises(ValueError, match=message):
        find_images(write_list(tmp_path, text))


@pytest.mark.parametrize(
    ('line', 'fault'),
    [
        ('/elsewhere/a.jpg', 'is absolute'),
        ('../a.jpg', r"has a '\.\.'"),
        ('sub/../../a.jpg', r"has a '\.\.'"),
        ('sub/\0.jpg', 'holds a NUL'),
    ],
)
def test_a_list_names_images_below_its_folder(tmp_path, line, fault):
    touch(tmp_path, 'a.jpg')
    with pytest.raises(ValueError, match=f'line 2: .* {fault}.* set data_root'):
        find_images(write_list(tmp_path, f'a.jpg\n{line}\n'))


def test_absolute_paths_need_the_root_of_all(tmp_path):
    touch(tmp_path, 'images/a.jpg')
    file = write_list(tmp_path, f'{tmp_path}/images/a.jpg 3\n')
    with pytest.raises(ValueError, match=r"is absolute.*'/' for absolute paths"):
        find_images(file, data_root=tmp_path)
    listing = find_images(file, data_root='/')
    assert listing.storage.name(0, listing.paths[0]) == f'{tmp_path}/images/a.jpg'
    assert not listing.paths[0].startswith('/')  # its first part is a folder, not ''


@pytest.mark.parametrize('link', ['list/a.jpg', 'list/sub'])
def test_links_out_of_a_lists_folder_need_the_owners_word(tmp_path, link):
    touch(tmp_path, 'elsewhere/a.jpg')
    (tmp_path / 'list').mkdir()
    is_file = link.endswith('.jpg')
    (tmp_path / link).symlink_to(tmp_path / ('elsewhere/a.jpg' if is_file else 'elsewhere'))
    file = write_list(tmp_path / 'list', 'a.jpg\n' if is_file else 'sub/a.jpg\n')
    with pytest.raises(ValueError, match=r'line 1: .* leads by a link to .*elsewhere'):
        find_images(file)
    assert len(find_images(file, data_root=tmp_path / 'list').paths) == 1
    assert len(find_images(tmp_path / 'list').paths) == 1  # a folder's links are its owner's


def test_links_that_stay_below_a_lists_folder_are_followed(tmp_path):
    touch(tmp_path, 'real/list/sub/a.jpg')
    (tmp_path / 'real/list/b.jpg').symlink_to('sub/a.jpg')
    (tmp_path / 'list').symlink_to('real/list')
    find_images(write_list(tmp_path / 'list', 'b.jpg\nsub/a.jpg\n'))


@pytest.mark.parametrize('line', ['%2e%2e/a.jpg', 'x::file:///a.jpg', '/a.jpg'])
def test_a_list_at_a_url_stays_below_it(tmp_path, line):
    with pytest.raises(ValueError, match=r'line 1: .* below memory://place'):
        find_images(write_list(tmp_path, line), data_root='memory://place')


def test_labels_are_the_first_folders():
    assert folder_labels(['cat/a.jpg', 'dog/deep/b.jpg']) == ['cat', 'dog']
    with pytest.raises(ValueError, match=r'b\.jpg is in none'):
        folder_labels(['cat/a.jpg', 'b.jpg'])


def test_parts_are_stable_and_of_the_size_asked_for():
    paths = [f'cat/{i:05}.jpg' for i in range(5000)]
    chosen = [path for path in paths if in_validation_part(path, 0.2)]
    assert 900 < len(chosen) < 1100
    # another fraction moves images in one direction only; and the hash never changes
    assert set(chosen) <= {path for path in paths if in_validation_part(path, 0.3)}
    assert [i for i in range(12) if in_validation_part(f'cat/{i}.jpg', 0.3)] == [0, 1, 3, 5, 8]


def test_packed_paths_give_back_what_they_got():
    paths = ['a.jpg', 'späte/日本 1.png', os.fsdecode(b'bad\xff.jpg'), '']
    packed = pickle.loads(pickle.dumps(PackedPaths(paths)))
    assert list(packed) == paths
    assert packed[-2] == paths[-2]
