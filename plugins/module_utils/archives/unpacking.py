# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack gzip, xz and bzip2 streams with the standard library, every checksum of them checked, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.formats import BZIP2, GZIP, XZ
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES, Peekable

_MAGIC = {GZIP: b"\x1f\x8b", XZ: b"\xfd7zXZ\x00", BZIP2: b"BZh"}
NAMES = {GZIP: "gzip", XZ: "xz", BZIP2: "bzip2"}


def unpack(
    chunks: Iterable[bytes], kind: str, budget: Budget, unprotected: Callable[[], None]
) -> Generator[bytes, None, None]:
    """Yield the unpacked bytes of all streams in ``chunks``; zeros between and after them are padding.

    :param kind: GZIP, XZ or BZIP2.
    :param unprotected: called when a stream carries no checksum of its contents.
    :raises Damaged: when a checksum does not fit, the stream is cut off, or something else follows it.
    :raises Unread: when a limit of the budget is reached.
    """
    source = Peekable(chunks)
    name, magic = NAMES[kind], _MAGIC[kind]
    offset = 0
    begun = False
    while True:
        offset += source.skip_zeros() if begun else 0
        head = source.peek(len(magic))
        if not head:
            if begun:
                return
            raise Damaged(f"holds no {name} stream: it is empty", offset=0, cut_off=True)
        if head != magic:
            what = "has bytes that are no part of it after its end" if begun else f"does not begin as a {name} stream does"
            raise Damaged(f"{what}, at byte {offset}", offset=offset, cut_off=magic.startswith(head))
        begun = True
        stream = _Stream(kind, budget.limits.decoder_bytes, offset)
        for chunk in source:
            for part in stream.feed(chunk):
                budget.unpacked(len(part))
                yield part
            if stream.ended:
                break
        if not stream.ended:
            raise Damaged(f"is cut off: its {name} stream ends before its end marker", offset=stream.offset, cut_off=True)
        if stream.without_checksum:
            unprotected()
        offset = stream.offset
        source.give_back(stream.unused)


class _Stream:
    """One compressed stream.

    :ivar offset: how many bytes of the file were used, those before the stream included.
    """

    def __init__(self, kind: str, memory_bytes: int, offset: int) -> None:
        self._kind = kind
        self._errors: tuple[type[Exception], ...]
        if kind == GZIP:
            import zlib

            self._decoder: Any = zlib.decompressobj(wbits=31)
            self._errors = (zlib.error,)
        elif kind == XZ:
            import lzma

            self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory_bytes)
            self._errors = (lzma.LZMAError, EOFError)
        else:
            import bz2

            self._decoder = bz2.BZ2Decompressor()
            self._errors = (OSError, ValueError, EOFError)
        self.offset = offset

    @property
    def ended(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused(self) -> bytes:
        return bytes(self._decoder.unused_data)

    @property
    def without_checksum(self) -> bool:
        return self._kind == XZ and self._decoder.check == 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what ``chunk`` unpacks to, in parts of at most CHUNK_BYTES."""
        decoder, data, more = self._decoder, chunk, True
        is_zlib = self._kind == GZIP
        while more:
            try:
                part = decoder.decompress(data, CHUNK_BYTES)
            except self._errors as error:
                raise self._problem(error) from None
            if is_zlib:
                data = decoder.unconsumed_tail
                # A full part may leave more in the decoder even when all input was taken.
                more = not decoder.eof and (bool(data) or len(part) == CHUNK_BYTES)
            else:
                data = b""
                more = not decoder.eof and not decoder.needs_input
            if part:
                yield part
        self.offset += len(chunk) - (len(decoder.unused_data) if decoder.eof else 0)

    def _problem(self, error: Exception) -> Damaged | Unread:
        if self._kind == XZ and "limit" in str(error):
            return Unread(
                "was not read: its xz stream needs more memory than is allowed",
                hint="Raise max_decoder_bytes (xz -9 needs 68 MiB), or make the backup with a lower level of xz.",
            )
        words = str(error).split(": ", 1)[-1] or type(error).__name__
        return Damaged(
            f"is damaged: its {NAMES[self._kind]} stream is wrong after byte {self.offset} ({words})",
            offset=self.offset,
        )
