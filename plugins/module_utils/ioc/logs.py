# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look for addresses and domains in logs: as whole words, in bounded memory, plain and gzip."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Sequence
from typing import BinaryIO

from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.indicators import ADDRESS, Indicator

_CHUNK_BYTES = 1024 * 1024
#: No address or name is longer, so that one that is cut in two by the end of a piece is seen in the next.
_OVERLAP_BYTES = 512
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Unread(Exception):
    """A log could not be read to its end; the message completes "<path> …".

    :ivar counts: what was found until then.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.counts: dict[Indicator, int] = {}


class Words:
    """Indicators as one pattern.

    :param indicators: addresses and domains. A domain is found with names below it, too.
    """

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        self._indicators = {indicator.value.encode(): indicator for indicator in indicators}
        parts = []
        # The longest first: of names that end alike the whole one counts.
        for value, indicator in sorted(self._indicators.items(), key=lambda item: -len(item[0])):
            word = re.escape(value)
            if indicator.type != ADDRESS:
                parts.append(rb"(?<![a-z0-9-])" + word + rb"(?![a-z0-9-]|\.[a-z0-9])")
            elif b":" in value:
                parts.append(rb"(?<![0-9a-f:])" + word + rb"(?![0-9a-f:])")
            else:
                parts.append(rb"(?<![0-9.])" + word + rb"(?![0-9]|\.[0-9])")
        self._pattern = re.compile(b"|".join(parts), re.IGNORECASE)

    def count_in(self, data: bytes, counts: dict[Indicator, int], start: int, end: int) -> None:
        """Add how often each begins in a part of a text; what surrounds the part says whether it is a whole word."""
        for match in self._pattern.finditer(data):
            if not start <= match.start() < end:
                continue
            indicator = self._indicators[match[0].lower()]
            counts[indicator] = counts.get(indicator, 0) + 1


def search_log(path: str, words: Words, *, max_bytes: int) -> tuple[dict[Indicator, int], int]:
    """Return how often each indicator is in a log, and how many bytes were looked at.

    :param max_bytes: of its unpacked content.
    :raises Unread: when it is no regular file, or not all of it could be read.
    """
    counts: dict[Indicator, int] = {}
    try:
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as raw:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unread("is no regular file")
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: BinaryIO = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw
            return counts, _search(stream, words, counts, max_bytes)
    except (OSError, EOFError, zlib.error) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        problem = Unread(f"could not be read to its end ({reason})")
        problem.counts = counts
        raise problem from exc
    except Unread as exc:
        exc.counts = counts
        raise


def _search(stream: BinaryIO, words: Words, counts: dict[Indicator, int], max_bytes: int) -> int:
    total = start = 0
    piece = b""
    while True:
        data = stream.read(min(_CHUNK_BYTES, max_bytes - total))
        total += len(data)
        piece += data
        # What begins in the last part may go on in the next piece, and is counted there.
        end = len(piece) if not data else max(len(piece) - _OVERLAP_BYTES, start)
        words.count_in(piece, counts, start, end)
        if not data:
            break
        # One byte more is kept, since a word ends where another character stands before it.
        cut = max(end - 1, 0)
        piece, start = piece[cut:], end - cut
    if total >= max_bytes and stream.read(1):
        raise Unread(f"has more than {max_bytes} bytes, and the rest was not looked at")
    return total
