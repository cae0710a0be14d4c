"""Files at URLs, through fsspec.

Options of a protocol (keys, end points) come from fsspec's own configuration: variables such as
``FSSPEC_S3='{"anon": true}'`` or files in ``~/.config/fsspec``. File systems are looked up anew in
every call: fsspec keeps them by process, so that forked workers never share a connection.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from mmengine.logging import print_log

ATTEMPTS = 5
FIRST_WAIT = 0.5  # seconds; doubled after every attempt
BLOCK = 2**22  # bytes of one request while a shard is indexed
VERSION_KEYS = (
    'ETag',
    'etag',
    'mtime',
    'LastModified',
    'last_modified',
    'Last-Modified',
    'updated',
    'created',
    'md5Hash',
    'Content-MD5',
)
Result = TypeVar('Result')


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it.

    Raises:
        ValueError: fsspec or the package of the protocol is missing, or the protocol is unknown.
    """
    try:
        import fsspec
    except ModuleNotFoundError:
        raise ValueError(f'{url} needs fsspec: pip install "dinomm[remote]"') from None
    try:
        return fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(f'{url} cannot be read: {error}') from None


def read(url: str, start: int | None = None, end: int | None = None) -> bytes:
    """A file's content, or the bytes from ``start`` to before ``end``.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The server does not answer well, after several attempts.
    """
    fs, path = file_system(url)
    content = retried(lambda: fs.cat_file(path, start=start, end=end), url)
    if start is not None and end is not None and len(content) > end - start:
        raise OSError(f'the server of {url} cannot send a part of a file: download the shards')
    return content


def open_file(url: str):
    """A seekable file for reading in order."""
    fs, path = file_system(url)
    return retried(lambda: fs.open(path, 'rb', block_size=BLOCK, cache_type='readahead'), url)


def exists(url: str) -> bool:
    """Whether there is a file or a folder."""
    fs, path = file_system(url)
    return retried(lambda: fs.exists(path), url)


def find(url: str) -> list[str]:
    """Relative paths of all files below a folder, empty if there is none."""
    fs, path = file_system(url)
    try:
        found = retried(lambda: fs.find(path), url)
    except FileNotFoundError:
        return []
    prefix = path.rstrip('/') + '/'
    return [name.removeprefix(prefix) for name in found if name.startswith(prefix)]


def stamp(url: str) -> dict:
    """Size in bytes, and what tells the versions of a file apart, where the server says it.

    Raises:
        FileNotFoundError: There is no such file.
    """
    fs, path = file_system(url)
    try:
        info = retried(lambda: fs.info(path), url)
    except FileNotFoundError as error:  # fsspec says so of any server that it cannot reach
        raise FileNotFoundError(f'{url} does not exist, or its server is out of reach') from error
    if info.get('size') is None:
        raise OSError(f'the server of {url} does not tell its size: download the shards')
    versions = {key: str(info[key]) for key in VERSION_KEYS if info.get(key) is not None}
    return {'size': info['size'], **versions}


def retried(action: Callable[[], Result], url: str) -> Result:
    """Repeats what fails for another reason than that a file is missing or forbidden.

    Raises:
        OSError: All attempts failed; the last failure is its cause.
    """
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # every protocol has its own
            failure = error
            if attempt + 1 < ATTEMPTS:
                wait = FIRST_WAIT * 2**attempt
                print_log(
                    f'{url}: {type(error).__name__}: {error}; again in {wait:g} s',
                    'current',
                    logging.WARNING,
                )
                time.sleep(wait)
    raise OSError(
        f'cannot read {url} after {ATTEMPTS} attempts: {type(failure).__name__}: {failure}'
    ) from failure
