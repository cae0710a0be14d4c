"""Tar files for tests."""

import io
import tarfile


def make_tar(members, form=tarfile.GNU_FORMAT):
    """A tar file's bytes; a member is (name, content) or a TarInfo."""
    file = io.BytesIO()
    with tarfile.open(
        fileobj=file, mode='w', format=form, encoding='utf-8', errors='surrogateescape'
    ) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()
