# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the bytes of a dump are, from its beginning and its end: of which type, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import (
    MYSQL,
    POSTGRESQL,
    POSTGRESQL_GLOBALS,
    REDIS,
    SQLITE,
)

#: The first bytes of each type that has such.
POSTGRESQL_MAGIC, SQLITE_MAGIC, REDIS_MAGIC = b"PGDMP", b"SQLite format 3\x00", b"REDIS"
#: What pg_dumpall and mysqldump write last; a dump without it was cut off.
_GLOBALS_END = b"PostgreSQL database cluster dump complete"
_MYSQL_END = b"-- Dump completed"

#: So many bytes at each end tell.
END_BYTES = 4096
#: The byte that ends an RDB file; a checksum of eight bytes follows.
_REDIS_END = 0xFF
_REDIS_CHECKSUM_BYTES = 8

_WORDS = {
    POSTGRESQL: "a dump of pg_dump in its own format",
    POSTGRESQL_GLOBALS: "a dump of pg_dumpall --globals-only",
    MYSQL: "a dump of mysqldump",
    SQLITE: "a SQLite database",
    REDIS: "an RDB file of Redis",
}


class DumpLook:
    """Looks at a dump while it streams by.

    :ivar head: its first bytes.
    :ivar tail: its last bytes.
    :ivar bytes: how many it has.
    """

    def __init__(self) -> None:
        self.head = b""
        self.tail = b""
        self.bytes = 0

    def add(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        if len(self.head) < END_BYTES:
            self.head += bytes(chunk[: END_BYTES - len(self.head)])
        self.tail = bytes(chunk[-END_BYTES:]) if len(chunk) >= END_BYTES else (self.tail + bytes(chunk))[-END_BYTES:]
        self.bytes += len(chunk)

    def watching(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks and look at them."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def problem(self, wanted: str) -> str:
        """Return what is wrong with it as a dump of a type, as the end of a sentence, or an empty text."""
        if not self.bytes:
            return "is empty"
        found = kind_of(self.head)
        if found != wanted:
            return f"is {_WORDS[found]}, not {_WORDS[wanted]}" if found else f"is not {_WORDS[wanted]}"
        return "is cut off" if self._cut_off(wanted) else ""

    def _cut_off(self, kind: str) -> bool:
        if kind == POSTGRESQL_GLOBALS:
            return _GLOBALS_END not in self.tail
        if kind == MYSQL:
            return _MYSQL_END not in self.tail
        if kind == REDIS:
            return len(self.tail) <= _REDIS_CHECKSUM_BYTES or self.tail[-1 - _REDIS_CHECKSUM_BYTES] != _REDIS_END
        if kind == SQLITE:
            return self.bytes != _sqlite_bytes(self.head)
        return False  # pg_restore tells


def kind_of(head: bytes) -> str:
    """Return the type of dump that begins so, or an empty text."""
    if head.startswith(POSTGRESQL_MAGIC):
        return POSTGRESQL
    if head.startswith(SQLITE_MAGIC):
        return SQLITE
    if head.startswith(REDIS_MAGIC) and head[5:9].isdigit():
        return REDIS
    start = head[:1024]
    if b"PostgreSQL database cluster dump" in start:
        return POSTGRESQL_GLOBALS
    if b"-- MariaDB dump" in start or b"-- MySQL dump" in start:
        return MYSQL
    return ""


def _sqlite_bytes(head: bytes) -> int:
    """Return how many bytes a SQLite database has by its header: size of a page times their number."""
    page = int.from_bytes(head[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
