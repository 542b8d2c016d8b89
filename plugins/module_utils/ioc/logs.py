# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look for addresses and domains in logs, plain and packed, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.indicators import Indicator
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.words import LONGEST_BYTES, Words
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import (
    look_at,
    opened,
    plain_chunks,
    unpacked_chunks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.finding import Found
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable

#: What is cut in two by the end of a piece is seen in the next, with what stands before and behind it.
_OVERLAP_BYTES = 2 * LONGEST_BYTES
_PIECE_BYTES = 64 * 1024
#: How long a packed log may take.
_MAX_SECONDS = 3600.0


class Unread(Exception):
    """A log could not be read to its end; the message completes "<path> …".

    :ivar counts: what was found until then.
    """

    def __init__(self, message: str, counts: dict[Indicator, int]) -> None:
        super().__init__(message)
        self.counts = counts


def search_log(path: str, words: Words, *, max_bytes: int) -> tuple[dict[Indicator, int], int]:
    """Return how often each indicator is in a log, and how many bytes were looked at.

    :param max_bytes: of its unpacked content.
    :raises Unread: when it is no log in a file, or not all of it could be read.
    """
    counts: dict[Indicator, int] = {}
    try:
        look = look_at(Found(path, path))
        with opened(path) as (descriptor, status):
            if (status.st_dev, status.st_ino) != look.identity:
                raise Unread("was exchanged for another file just now", counts)
            chunks = unpacked_chunks(descriptor, look.kind, look.size, _MAX_SECONDS) if look.kind else plain_chunks(descriptor, 0, status.st_size)
            return counts, search_pieces(chunks, words, counts, max_bytes)
    except Unreadable as exc:
        raise Unread(str(exc), counts) from exc


def search_pieces(chunks: Iterable[bytes], words: Words, counts: dict[Indicator, int], max_bytes: int) -> int:
    """Add to ``counts`` how often each indicator is in a text that comes in pieces; return how many bytes were looked at.

    :raises Unread: when it has more than ``max_bytes``.
    """
    total = start = 0
    piece = b""
    try:
        for chunk in _gathered(chunks):
            kept = chunk[: max_bytes - total]
            total += len(kept)
            piece += kept
            # What begins in the last part may go on in the next piece, and is counted there.
            end = max(len(piece) - _OVERLAP_BYTES, start)
            words.count_in(piece, counts, start, end)
            # One byte more is kept, since a word ends where another character stands before it.
            cut = max(end - 1, 0)
            piece, start = piece[cut:], end - cut
            if len(kept) < len(chunk):
                raise Unread(f"has more than {max_bytes} bytes, and the rest was not looked at", counts)
    finally:
        words.count_in(piece, counts, start, len(piece))
    return total


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield larger pieces: each costs a look at the overlap, and an archive may be made of single bytes."""
    waiting: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size >= _PIECE_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    except Unreadable:
        yield b"".join(waiting)  # what came before the damage
        raise
    yield b"".join(waiting)
