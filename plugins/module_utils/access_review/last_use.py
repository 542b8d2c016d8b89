# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When accounts were last used. Pure functions over the bytes of wtmp and lastlog, and over two small databases.

Debian up to 12 keeps wtmp and lastlog; Debian 13 keeps lastlog2 and, where it is installed, wtmpdb.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import quote

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

#: Where it is kept, each with a function over its bytes, or the query of a database.
WTMP = ("/var/log/wtmp.1", "/var/log/wtmp")
LASTLOG = "/var/log/lastlog"
DATABASES = {
    "/var/lib/lastlog/lastlog2.db": "SELECT Name, MAX(Time) FROM Lastlog2 GROUP BY Name",
    "/var/lib/wtmpdb/wtmp.db": "SELECT User, MAX(Login) / 1000000 FROM wtmp WHERE Type = 3 GROUP BY User",
}

_USER_PROCESS = 7
#: type, user and time of a record of utmp(5): with 32-bit times (most), and with 64-bit ones (ARM, RISC-V).
_LAYOUTS = (struct.Struct("<h42x32s256x8xi40x"), struct.Struct("<h42x32s256x12xq48x"))
_LASTLOG = struct.Struct("<i32s256s")
_MAX_ROWS = 100_000


class Unreadable(Exception):
    """It has another form; the message completes "<path> …"."""


def from_wtmp(data: bytes) -> dict[str, int]:
    """Return the last login by name, in seconds since 1970.

    :raises Unreadable: when it does not consist of records.
    """
    found: dict[str, int] = {}
    for kind, user, moment in _records(data):
        if kind == _USER_PROCESS:
            name = decode(user.split(b"\0")[0])
            found[name] = max(found.get(name, 0), moment)
    return found


def first_of_wtmp(data: bytes) -> int:
    """Return the time of the first record, in seconds since 1970; 0 when there is none.

    :raises Unreadable: when it does not consist of records.
    """
    return next((moment for _kind, _user, moment in _records(data) if moment > 0), 0)


def _records(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    if not data:
        return
    for layout in sorted(_LAYOUTS, key=lambda layout: len(data) % layout.size != 0):
        # A record that is just being written is left out.
        whole = data[: len(data) // layout.size * layout.size]
        kinds = [kind for kind, _user, _time in layout.iter_unpack(whole[: layout.size * 100])]
        if kinds and all(0 <= kind <= 9 for kind in kinds):
            yield from layout.iter_unpack(whole)
            return
    raise Unreadable("does not consist of records of utmp")


def from_lastlog(data: bytes, names: dict[int, str]) -> dict[str, int]:
    """Return the last login by name, of the accounts with these numbers."""
    found = {}
    for uid, name in names.items():
        record = data[uid * _LASTLOG.size:(uid + 1) * _LASTLOG.size]
        if len(record) == _LASTLOG.size:
            moment = _LASTLOG.unpack(record)[0]
            if moment > 0:
                found[name] = moment
    return found


def from_database(place: str, query: str) -> dict[str, int]:
    """Return the last login by name.

    :raises Unreadable: when it is no such database.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(place)}?mode=ro", uri=True, timeout=5.0)) as connection:
            rows = connection.execute(query).fetchmany(_MAX_ROWS)
        return {str(name): int(moment) for name, moment in rows if moment}
    except (sqlite3.Error, ValueError, TypeError) as exc:
        raise Unreadable(f"is no database of logins ({exc})") from exc


def latest(sources: Sequence[dict[str, int]]) -> dict[str, int]:
    """Return the last login by name over all sources."""
    found: dict[str, int] = {}
    for source in sources:
        for name, moment in source.items():
            found[name] = max(found.get(name, 0), moment)
    return found
