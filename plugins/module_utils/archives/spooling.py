# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep the bytes of a zip archive that lies inside another archive: its directory, at its end, is read first."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Unread

#: Larger ones are not looked into: they would fill a disk.
MAX_BYTES = 256 * 1024 * 1024


@contextmanager
def spooled(chunks: Iterable[bytes], size: int) -> Iterator[int]:
    """Give the descriptor of a file without a name that holds the bytes.

    :param size: how many bytes these are said to be.
    :raises Unread: when they are too many, or there is no room for them.
    """
    if size > MAX_BYTES:
        raise Unread(
            f"was not read: a zip archive inside another archive is read up to {MAX_BYTES // 2**20} MiB",
            hint="Keep it as a backup of its own, or leave it out with nested_exclude.",
        )
    # /tmp is memory on many systems.
    directory = next((path for path in ("/var/tmp", tempfile.gettempdir()) if os.access(path, os.W_OK)), None)
    with tempfile.TemporaryFile(dir=directory) as file:
        try:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
        except OSError as error:
            raise Unread(f"was not read: there is no room to keep it aside ({error.strerror})") from None
        yield file.fileno()
