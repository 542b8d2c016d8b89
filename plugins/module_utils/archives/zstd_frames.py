# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the frames of a zstd stream begin and end, and whether they carry checksums; without unpacking (RFC 8878)."""

from __future__ import annotations

_MAGIC = b"\x28\xb5\x2f\xfd"
#: What follows the first byte, 0x50 to 0x5f, of a frame to be skipped.
_SKIPPED = b"\x2a\x4d\x18"
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)
_DICTIONARY_BYTES = (0, 1, 2, 4)
_RLE, _RESERVED = 1, 3


class FrameWalk:
    """Is fed the stream in chunks and keeps only a few bytes of it.

    :ivar frame_start: where the present frame begins, in bytes.
    :ivar position: how many bytes were fed.
    :ivar without_checksum: a frame has no checksum of its contents.
    :ivar garbage: at ``frame_start`` are bytes that begin no frame.
    """

    def __init__(self) -> None:
        self.frame_start = self.position = 0
        self.without_checksum = self.garbage = False
        self._frames = 0
        self._wanted = "frame"
        self._skip = 0
        self._kept = b""
        self._checksum = False

    @property
    def whole(self) -> bool:
        """The stream may end here: there was a frame, and nothing of a further one."""
        return self._frames > 0 and self._wanted == "frame" and not self._kept and not self._skip and not self.garbage

    @property
    def cut_off(self) -> bool:
        """Something more must come."""
        return not self.whole and not self.garbage

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        begin = self.position - len(self._kept)
        data = self._kept + chunk
        at = 0
        self.position += len(chunk)
        while not self.garbage:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                if self._skip:
                    break
            used = self._step(data, at, begin)
            if not used:
                break
            at += used
        self._kept = b"" if self.garbage else data[at:]

    def _step(self, data: bytes, at: int, begin: int) -> int:
        """Read the header at ``at``; return its bytes, or 0 when more must come first."""
        if self._wanted == "frame":
            self.frame_start = begin + at
            return self._frame(data[at : at + 18])
        block = data[at : at + 3]
        if len(block) < 3:
            return 0
        header = int.from_bytes(block, "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        self._skip = 1 if kind == _RLE else size
        if last:
            self._skip += 4 if self._checksum else 0
            self._wanted = "frame"
            self._frames += 1
        return 3

    def _frame(self, head: bytes) -> int:
        skippable = bool(head) and 0x50 <= head[0] <= 0x5F and _SKIPPED.startswith(head[1:4])
        if len(head) < 4:
            self.garbage = not (skippable or _MAGIC.startswith(head))
            return 0
        if skippable:
            if len(head) < 8:
                return 0
            self._skip = int.from_bytes(head[4:8], "little")
            self._frames += 1
            return 8
        if head[:4] != _MAGIC:
            self.garbage = True
            return 0
        if len(head) < 5:
            return 0
        flags = head[4]
        single = flags >> 5 & 1
        size = 5 + (not single) + _DICTIONARY_BYTES[flags & 3] + (_CONTENT_SIZE_BYTES[flags >> 6] or single)
        if len(head) < size:
            return 0
        self._checksum = bool(flags >> 2 & 1)
        self.without_checksum = self.without_checksum or not self._checksum
        self._wanted = "block"
        return size
