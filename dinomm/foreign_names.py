"""Names that stand in files from elsewhere: they must not lead out of the folder they belong to."""

import os
from functools import lru_cache
from urllib.parse import unquote


def fault_of_name(name: str, in_url: bool = False) -> str | None:
    """Why a name must not be joined to a folder; None if it stays below it, links apart.

    Args:
        name: With forward slashes.
        in_url: Whether it is to be joined to a URL, where ``::`` would begin another one.
    """
    if '\0' in name:
        return 'holds a NUL'
    if in_url:
        name = unquote(name)
    if name.startswith('/'):
        return 'is absolute'
    if '..' in name.split('/'):
        return "has a '..'"
    return "has a '::'" if in_url and '::' in name else None


class LinkedPlaces:
    """Where links lead that stand below a folder; each folder of files is listed once.

    Args:
        folder: May be a link itself.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = str(folder)
        self.real = os.path.realpath(folder)
        self._parent = lru_cache(maxsize=None)(self._look_into)

    def outside(self, name: str) -> str | None:
        """The place outside the folder that a name leads to by a link; None if to none."""
        parent, links = self._parent(os.path.dirname(name))
        if not self._is_inside(parent):
            return parent
        file = os.path.basename(name)
        place = os.path.realpath(os.path.join(parent, file)) if file in links else parent
        return None if self._is_inside(place) else place

    def _look_into(self, parent: str) -> tuple[str, frozenset[str]]:
        """A folder's real place, and the names of the links in it."""
        place = os.path.realpath(os.path.join(self.folder, parent))
        try:
            with os.scandir(place) as entries:
                return place, frozenset(entry.name for entry in entries if entry.is_symlink())
        except OSError:  # what is not there leads nowhere
            return place, frozenset()

    def _is_inside(self, place: str) -> bool:
        return place == self.real or place.startswith(self.real.rstrip('/') + '/')
