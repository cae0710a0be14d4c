"""Formats and files of weights that can be converted; looked at before torch is imported."""

from pathlib import Path

AUTO = 'auto'
KINDS = {
    'dinomm': ('vit', 'swin', 'resnet'),
    'dino': ('vit', 'resnet'),
    'ibot': ('vit',),
    'dinov2': ('vit',),
    'esvit': ('swin',),
    'timm': ('vit', 'swin'),
    'huggingface': ('vit', 'swin'),
    'mmpretrain': ('vit', 'swin', 'resnet'),
    'mmdet': ('swin', 'resnet'),
    'torchvision': ('resnet',),
}
"""Networks that a format has, by its name."""

ENDINGS = ('.pth', '.pt', '.bin', '.safetensors')
FOLDER_FILES = ('model.safetensors', 'pytorch_model.bin')


def require_formats(source: str, target: str) -> None:
    """Checks that there are such formats, and that something can go from one to the other.

    Raises:
        ValueError: There is no such format, or the two have no kind of network in common.
    """
    for name in (source, target):
        if name not in KINDS and (name, source) != (AUTO, AUTO):
            raise ValueError(f'there is no format {name!r}: expected one of {", ".join(KINDS)}')
    if source == target:
        raise ValueError(f'FROM and TO are both {source}: there is nothing to convert')
    if source != AUTO and not set(KINDS[source]) & set(KINDS[target]):
        kinds = [f'{name} holds {" and ".join(KINDS[name])}' for name in (source, target)]
        raise ValueError(f'nothing goes from {source} to {target}: {", ".join(kinds)}')


def weights_file(path: str | Path) -> Path:
    """The file of weights itself, which stands in a folder for Hugging Face.

    Raises:
        FileNotFoundError: There is none.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        for name in FOLDER_FILES:
            if (path / name).is_file():
                return path / name
        raise FileNotFoundError(f'folder {path} has none of {", ".join(FOLDER_FILES)}')
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    return path


def is_folder(path: str | Path) -> bool:
    """Whether a name of a result is that of a folder: it has no ending of a file of weights."""
    return Path(path).suffix not in ENDINGS


def require_free(target: str, file: str | Path, out: str | Path, force: bool) -> None:
    """Checks the place of the result.

    Raises:
        ValueError: It has an ending that is not known, is a folder where the format has none, or
            is the file that is read.
        FileExistsError: There is something already.
    """
    path = Path(out).expanduser()
    if is_folder(path):
        if target != 'huggingface':
            raise ValueError(
                f'OUT is {out}: expected a name that ends in .pth or .safetensors (a folder is for '
                'huggingface alone)'
            )
        if path.is_file():
            raise FileExistsError(f'{out} is a file: give a folder, or a name in .safetensors')
        results = [path / FOLDER_FILES[0], path / 'config.json']
    else:
        if path.is_dir():
            raise FileExistsError(f'{out} is a folder: give the name of a file')
        results = [path]
    source = weights_file(file).resolve()
    if any(result.resolve() == source for result in results):
        raise ValueError(f'OUT is the file that is read, {out}: give another name')
    taken = [str(result) for result in results if result.exists()]
    if taken and not force:
        raise FileExistsError(f'{taken[0]} exists: give another name, or --force')
