# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack gzip through the program ``igzip``, which takes a third of the time of zlib, for who checks what comes out by other means.

It does not tell what follows the end of a stream, nor where one is wrong: whoever finds anything reads again without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.piping import piped
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Space


def igzip_program() -> str | None:
    """Return where igzip is, or None."""
    return shutil.which("igzip")


def unpack_igzip(program: str, chunks: Iterable[bytes], budget: Budget, space: Space) -> Generator[memoryview, None, None]:
    """Yield the unpacked bytes of all gzip streams in ``chunks``.

    :param space: memory for them.
    :raises Unread: when the program finds anything wrong.
    """
    status, said = yield from piped((program, "-d", "-c"), chunks, budget, lambda _chunk: None, space)
    if status or said:
        raise Unread("was not read to its end: the program igzip gave up on it")
