import os
import zipfile

import pytest
import torch

from dinomm.checkpoints.newest import newest_whole


def write(path, time, iteration, **parts):
    weights = {'weight': torch.randn(2000)}
    meta = {'time': f'20260101_{time:06}', 'iter': iteration}
    torch.save({'meta': meta, 'optimizer': {}, 'state_dict': weights, **parts}, path)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / 'epoch_1.pth', 1, 10)
    write(tmp_path / 'epoch_2.pth', 2, 20)
    write(tmp_path / 'iter_25.pth', 2, 25)
    write(tmp_path / 'best_knn_epoch_2.pth', 9, 90)
    return tmp_path


def find(folder):
    warnings = []
    found = newest_whole(folder, warnings.append)
    return found and found.name, warnings


def test_the_last_written(folder):
    os.utime(folder / 'epoch_1.pth')  # a copied folder has times in any order
    assert find(folder) == ('iter_25.pth', [])


def test_an_abandoned_attempt_is_older_though_it_went_further(folder):
    write(folder / 'epoch_1.pth', 30, 10)
    assert find(folder) == ('epoch_1.pth', [])


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('length', [0, 1, 100, 4000, 8000])
def test_cut_short(folder, length):
    path = folder / 'iter_25.pth'
    path.write_bytes(path.read_bytes()[:length])
    name, warnings = find(folder)
    assert name == 'epoch_2.pth'
    assert len(warnings) == 1 and str(path) in warnings[0] and 'left out' in warnings[0]


def test_a_lost_block_inside_a_tensor(folder):
    path = folder / 'iter_25.pth'
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        data = max(archive.infolist(), key=lambda part: part.file_size)
    content[data.header_offset + 4000 : data.header_offset + 4512] = bytes(512)
    path.write_bytes(content)
    name, (warning,) = find(folder)
    assert name == 'epoch_2.pth' and 'is damaged' in warning


def test_weights_alone_are_no_state_of_training(folder):
    torch.save({'state_dict': {}}, folder / 'epoch_9.pth')
    name, (warning,) = find(folder)
    assert name == 'iter_25.pth' and 'holds no state of training' in warning


def test_none(tmp_path, folder):
    assert find(tmp_path / 'nowhere') == (None, [])
    for path in folder.glob('[ei]*.pth'):
        path.write_bytes(b'')
    with pytest.raises(ValueError, match=r'epoch_1\.pth, epoch_2\.pth, iter_25\.pth'):
        find(folder)


def test_a_file_that_calls_itself_a_part_of_a_zip_stops_nothing(folder):
    file = folder / 'iter_25.pth'
    content = bytearray(file.read_bytes())
    locator = content.index(b'PK\6\7')
    content[locator + 16] = 9  # disks
    file.write_bytes(content)
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(file)
    assert find(folder)[0] in ('iter_25.pth', 'epoch_2.pth')  # as torch reads it, or not


@pytest.mark.parametrize('iteration', ['20', None, [1]])
def test_a_count_of_iterations_that_is_no_number_is_left_out(folder, iteration):
    write(folder / 'iter_25.pth', 2, iteration)
    name, warnings = find(folder)
    assert name == 'epoch_2.pth'
    assert 'iter_25.pth counts its iterations as' in warnings[0]
