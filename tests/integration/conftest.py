import pytest
import torch

from . import processes, tiny


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """Sums come out in one order, and the tests share the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session', autouse=True)
def configs_as_they_are():
    """Every Runner writes its config twice, and making that pretty takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', processes.unformatted)
        yield


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    """A folder with train/ and val/ of three classes."""
    return tiny.write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture
def config(tmp_path, data):
    """Path of the tiny config."""
    return tiny.write_config(tmp_path / 'tiny.py', data)
