# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was measured before: a bounded SQLite file on the host that was measured.

It gives sparklines, restarts since the last run and the share of time that a service was ok. It is bookkeeping: losing it
costs a trend, never a check. So a corrupt file is set aside, named and begun anew.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

if TYPE_CHECKING:
    import sqlite3
    from sqlite3 import Connection

    T = TypeVar("T")
    Row = tuple[datetime, "float | None", str]

MAX_AGE_DAYS = 400
#: A check every five minutes for thirty days, and some room.
MAX_ROWS_PER_SERIES = 10_000
MAX_SERIES = 2_000
MAX_SET_ASIDE_FILES = 3
LOCK_WAIT_SECONDS = 10.0

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS series (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS points (series TEXT NOT NULL, at INTEGER NOT NULL, value REAL, status TEXT NOT NULL,"
    " PRIMARY KEY (series, at)) WITHOUT ROWID",
)


class Point(NamedTuple):
    """One measurement: the name of its series, the figure or None, the status of its check ('' when it has none)."""

    series: str
    value: float | None
    status: str


class HistoryProblem(UpkeepError):
    """The history could not be read or written (no room, no right, locked too long); the file is as it was."""


class History:
    """An open history file; get one from :func:`open_history`.

    Points that are younger than the present moment come from a clock that was ahead. They are no past and are not
    read; they stay, since nobody can tell which clock is right.

    :ivar set_aside: where a corrupt file was moved to, '' when it is corrupt and was left (read-only), None when it is
        whole.
    """

    def __init__(self, path: Path, *, now: datetime, read_only: bool) -> None:
        self.path = path
        self.set_aside: str | None = None
        self._now = now
        self._read_only = read_only
        self._connection: sqlite3.Connection | None = None

    def append(self, points: Iterable[Point]) -> None:
        """Store the points at the present moment, all or none, and prune to the bounds; nothing when read-only.

        :raises HistoryProblem: when they cannot be stored; read-only too when this user may not write the file.
        """
        # A counter of the kernel may be larger than an integer of SQLite.
        rows = [(series, _seconds(self._now), None if value is None else float(value), status) for series, value, status in points]
        if not rows:
            return
        if self._read_only:
            if not may_be_written(self.path):
                raise HistoryProblem(f"the history {self.path} cannot be written by this user")
            return

        def store(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", rows)
                connection.executemany(
                    "INSERT OR REPLACE INTO series VALUES (?, ?)", [(series, at) for series, at, _value, _status in rows]
                )
                _prune(connection, {row[0] for row in rows}, _seconds(self._now - timedelta(days=MAX_AGE_DAYS)))

        self._run(store)

    def values(self, series: str, *, since: datetime, limit: int = 96) -> list[Row]:
        """Return (time, value, status) of a series, oldest first, thinned evenly to ``limit`` rows with the newest kept.

        :raises HistoryProblem: when the file cannot be read.
        """
        rows = self._query(
            "SELECT at, value, status FROM points WHERE series = ? AND at BETWEEN ? AND ? ORDER BY at",
            (series, _seconds(since), _seconds(self._now)),
        )
        if len(rows) > limit:
            step = len(rows) / limit
            rows = [rows[int((index + 1) * step) - 1] for index in range(limit)]
        return [(datetime.fromtimestamp(at, timezone.utc), _figure(value), status) for at, value, status in rows]

    def last(self, series: str) -> Row | None:
        """Return the newest (time, value, status) of a series, or None."""
        rows = self._query(
            "SELECT at, value, status FROM points WHERE series = ? AND at <= ? ORDER BY at DESC LIMIT 1",
            (series, _seconds(self._now)),
        )
        return (datetime.fromtimestamp(rows[0][0], timezone.utc), _figure(rows[0][1]), rows[0][2]) if rows else None

    def share_ok(self, series: str, *, since: datetime) -> float | None:
        """Return the percent of a series' rows whose status is ok; None when there are none: no data is not 0 %."""
        rows = self._query(
            "SELECT 100.0 * SUM(status = 'ok') / COUNT(*) FROM points WHERE series = ? AND at BETWEEN ? AND ? AND status != ''",
            (series, _seconds(since), _seconds(self._now)),
        )
        return rows[0][0] if rows else None

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _query(self, statement: str, parameters: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        if self._read_only:
            try:
                self._refuse_other_kinds(os.stat(self.path))
            except FileNotFoundError:
                return []
            except OSError as exc:
                raise HistoryProblem(f"cannot open the history {self.path}: {exc.strerror}") from exc
        return self._run(lambda connection: connection.execute(statement, parameters).fetchall()) or []

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do ``work``; when the file turns out to be corrupt, set it aside, begin a new one and do it there."""
        sqlite3 = _import_sqlite3()
        try:
            return work(self._open())
        except sqlite3.OperationalError as exc:
            raise HistoryProblem(f"the history {self.path} cannot be used: {exc}") from exc
        except sqlite3.DatabaseError:
            self.close()
            if self._read_only:
                self.set_aside = ""
                return None
            self.set_aside = str(_set_aside(self.path, self._now))
        try:
            return work(self._open())
        except sqlite3.Error as exc:
            raise HistoryProblem(f"the history {self.path} cannot be begun anew: {exc}") from exc

    def _refuse_other_kinds(self, status: os.stat_result) -> None:
        """Raise unless it is a file: SQLite would wait for whoever writes into a pipe."""
        if not stat.S_ISREG(status.st_mode):
            raise HistoryProblem(f"the history {self.path} is no file")

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        sqlite3 = _import_sqlite3()
        if self._read_only:
            self._connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", timeout=LOCK_WAIT_SECONDS, uri=True)
            return self._connection
        try:
            make_private_directory(self.path.parent)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                self._refuse_other_kinds(os.fstat(descriptor))
            finally:
                os.close(descriptor)
        except UpkeepError as exc:
            raise HistoryProblem(exc.message) from exc
        except OSError as exc:
            raise HistoryProblem(f"cannot open the history {self.path}: {exc.strerror}") from exc
        connection: Connection = sqlite3.connect(str(self.path), timeout=LOCK_WAIT_SECONDS)
        try:
            with connection:
                for statement in _SCHEMA:
                    connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        return connection


@contextmanager
def open_history(path: Path, *, now: datetime, read_only: bool = False) -> Iterator[History]:
    """Open the history at ``path``, created 0600 on the first write.

    :param now: the moment at which points are stored.
    :param read_only: for check mode: nothing is created, changed or set aside; a missing file reads as empty.
    """
    history = History(path, now=now, read_only=read_only)
    try:
        yield history
    finally:
        history.close()


def may_be_written(path: Path) -> bool:
    """Return whether this user could write the file, or make it and the folders that are missing."""
    nearest = next(place for place in (path, *path.parents) if os.path.lexists(place))
    return os.access(nearest, os.W_OK) and (nearest == path or os.path.isdir(nearest))


def _prune(connection: sqlite3.Connection, touched: set[str], oldest: int) -> None:
    connection.execute("DELETE FROM points WHERE at < ? AND series IN (SELECT name FROM series WHERE last < ?)", (oldest, oldest))
    connection.execute("DELETE FROM series WHERE last < ?", (oldest,))
    for name in sorted(touched):
        connection.execute("DELETE FROM points WHERE series = ? AND at < ?", (name, oldest))
        connection.execute(
            "DELETE FROM points WHERE series = ? AND at <="
            " (SELECT at FROM points WHERE series = ? ORDER BY at DESC LIMIT 1 OFFSET ?)",
            (name, name, MAX_ROWS_PER_SERIES),
        )
    surplus = connection.execute("SELECT name FROM series ORDER BY last DESC LIMIT -1 OFFSET ?", (MAX_SERIES,)).fetchall()
    connection.executemany("DELETE FROM points WHERE series = ?", surplus)
    connection.executemany("DELETE FROM series WHERE name = ?", surplus)


def _set_aside(path: Path, now: datetime) -> Path:
    """Move a corrupt file (and its journal, which belongs to it) out of the way; keep the newest few of them."""
    target = path.with_name(f"{path.name}.corrupt-{now.strftime('%Y%m%dT%H%M%SZ')}")
    try:
        os.replace(path, target)
        for suffix in ("-journal", "-wal", "-shm"):
            try:
                os.replace(f"{path}{suffix}", f"{target}{suffix}")
            except FileNotFoundError:
                continue
        kept = sorted(path.parent.glob(f"{path.name}.corrupt-*Z"))
        for old in kept[:-MAX_SET_ASIDE_FILES]:
            old.unlink()
    except OSError as exc:
        raise HistoryProblem(f"the history {path} is corrupt and cannot be set aside: {exc.strerror}") from exc
    return target


def _figure(value: object) -> float | None:
    """Return a value; None for one that is no figure, which SQLite keeps in a column of figures as well."""
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _import_sqlite3():  # type: ignore[no-untyped-def]
    """Import late: only calls that keep history pay for it, and a Python without it costs the trend, not the check."""
    try:
        import sqlite3
    except ImportError as exc:
        raise HistoryProblem("this Python has no sqlite3 module; install the system's python3 package whole") from exc
    return sqlite3
