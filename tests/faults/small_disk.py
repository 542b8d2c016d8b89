"""A file system of a few hundred kilobytes that can be filled to the last page."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


class SmallDisk:
    """A mounted tmpfs.

    :ivar path: where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def leave_free(self, size: int) -> None:
        """Fill the disk, but for ``size`` bytes (rounded up to pages)."""
        self.make_room()
        with open(self._filler, "wb") as stream:
            free = os.statvfs(self.path)
            stream.write(b"\0" * max(free.f_bavail * free.f_frsize - (size + PAGE - 1) // PAGE * PAGE, 0))

    def make_room(self) -> None:
        """Remove what fills it."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path, size: int = 2 * 1024 * 1024) -> Iterator[SmallDisk]:
    """Mount a disk of ``size`` bytes at ``path``; needs root."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "upkeep-faults", str(path)], check=True)
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
