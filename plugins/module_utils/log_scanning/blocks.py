# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chunks of a log made into blocks of whole lines, in bounded memory whatever a line holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

BLOCK_BYTES = 512 * 1024
#: So much of a line is kept. What is longer is passed over to the end of the line, and counted.
MAX_LINE_BYTES = 64 * 1024


#: A hole before a line: what was never written there reads as zeros.
_HOLE = re.compile(rb"\n\0+")


class Block(NamedTuple):
    """Whole lines.

    :ivar data: the lines, each ended by a line feed; may be empty.
    :ivar end: the position in the log up to which everything is told with this block and those before.
    """

    data: bytes
    end: int


@dataclass
class LineFigures:
    """What was met on the way.

    :ivar cut_lines: lines longer than MAX_LINE_BYTES.
    :ivar nul_bytes: bytes of holes before lines, which a writer leaves that does not append, or a power cut.
    """

    cut_lines: int = 0
    nul_bytes: int = 0


def blocks_of(chunks: Iterable[bytes], start: int, figures: LineFigures, *, take_unended: bool) -> Iterator[Block]:
    """Yield the lines of a log in blocks.

    :param start: position of the first byte of ``chunks`` in the log, the beginning of a line.
    :param take_unended: whether what follows the last line feed is a line: nobody will end it any more.
    """
    read, kept, cutting = start, b"", False
    for chunk in chunks:
        read += len(chunk)
        if cutting:
            # Of such a line only its beginning is kept, until its end is found.
            end = chunk.find(b"\n")
            if end < 0:
                continue
            chunk, cutting = chunk[end:], False
        elif not kept and chunk.startswith(b"\0"):
            whole = len(chunk)
            chunk = chunk.lstrip(b"\0")
            figures.nul_bytes += whole - len(chunk)
        data = kept + chunk
        if b"\n\0" in data:
            whole = len(data)
            data = _HOLE.sub(b"\n", data)
            figures.nul_bytes += whole - len(data)
        end = data.rfind(b"\n") + 1
        kept = data[end:]
        if end:
            yield Block(_cut(data[:end], figures), read - len(kept))
        if len(kept) > MAX_LINE_BYTES:
            kept, cutting = kept[:MAX_LINE_BYTES], True
            figures.cut_lines += 1
    if kept and take_unended:
        yield Block(_cut(kept + b"\n", figures), read)


def _cut(data: bytes, figures: LineFigures) -> bytes:
    """Return lines of which none is longer than MAX_LINE_BYTES."""
    if len(data) <= MAX_LINE_BYTES:
        return data
    parts, start, before = [], 0, figures.cut_lines
    while len(data) - start > MAX_LINE_BYTES:
        # The next line feed within reach of each line: a block whose lines are short is walked in large steps.
        end = data.rfind(b"\n", start, start + MAX_LINE_BYTES + 1)
        if end < 0:
            parts.append(data[start : start + MAX_LINE_BYTES] + b"\n")
            start = data.find(b"\n", start) + 1
            figures.cut_lines += 1
        else:
            parts.append(data[start : end + 1])
            start = end + 1
    return b"".join([*parts, data[start:]]) if figures.cut_lines > before else data
