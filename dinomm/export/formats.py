"""The formats: what each is called, how its files end, and the module that handles them."""

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # for --help, which needs no torch
    from torch import Tensor


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        ending: Of its files.
        module: Of this package, with ``write``, ``read_metadata`` and ``open_file``.
        writers: Packages that writing needs.
        runners: Packages that running needs.
    """

    ending: str
    module: str
    writers: tuple[str, ...] = ()
    runners: tuple[str, ...] = ()

    def handler(self) -> Any:
        """The module."""
        return import_module(f'{__package__}.{self.module}')


FORMATS = {
    'onnx': Format('.onnx', 'onnx_file', ('onnx', 'onnxscript'), ('onnxruntime',)),
    'torchscript': Format('.pt', 'torchscript_file'),
    'export': Format('.pt2', 'program_file'),
}


def format_of(path: str | Path) -> Format:
    """The format of a file, by its ending.

    Raises:
        ValueError: It ends in none that is known.
    """
    known = {format.ending: format for format in FORMATS.values()}
    ending = Path(path).suffix
    if ending not in known:
        raise ValueError(f'{path}: expected a file that ends in {", ".join(known)}')
    return known[ending]


def require_packages(names: Iterable[str]) -> None:
    """Raises ValueError with the line that installs what is missing."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ValueError(
            f'--format onnx needs {", ".join(missing)}: pip install {" ".join(missing)}'
        )


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What an exported file says about itself: mean, std, size, grid, checkpoint ..."""
    return format_of(path).handler().read_metadata(Path(path))


def open_file(path: str | Path) -> 'Callable[[Tensor], dict[str, Tensor]]':
    """An exported network on the CPU: a tensor of images to a dict of features."""
    return format_of(path).handler().open_file(Path(path))
