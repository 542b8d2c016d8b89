# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option ``dumps``: which databases are dumped or restored, and how their servers are reached."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

POSTGRESQL, POSTGRESQL_GLOBALS, MYSQL, SQLITE, REDIS = "postgresql", "postgresql_globals", "mysql", "sqlite", "redis"
TYPES = (POSTGRESQL, POSTGRESQL_GLOBALS, MYSQL, SQLITE, REDIS)

#: What a dump is called at its end, so that people know what it is.
_SUFFIXES = {POSTGRESQL: ".pgdump", POSTGRESQL_GLOBALS: ".sql", MYSQL: ".sql", SQLITE: ".sqlite", REDIS: ".rdb"}
#: Options that have a meaning for each type, beside ``name`` and ``type``.
_ACCEPTED = {
    POSTGRESQL: {"database", "host", "port", "user", "password", "run_as", "binary_directory"},
    POSTGRESQL_GLOBALS: {"host", "port", "user", "password", "run_as", "binary_directory"},
    MYSQL: {"database", "host", "port", "user", "password", "run_as", "binary_directory"},
    SQLITE: {"path"},
    REDIS: {"host", "port", "user", "password", "run_as", "binary_directory", "unit", "data_directory"},
}
_REQUIRED = {POSTGRESQL: "database", MYSQL: "database", SQLITE: "path"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_MAX_IDENTIFIER_BYTES = {POSTGRESQL: 63, MYSQL: 64}
#: Characters of the longest addition to a name, ``_previous_`` or ``_upkeep_`` and eight hexadecimal digits.
ADDED_CHARACTERS = 18


@dataclass(frozen=True)
class DumpSpec:
    """One database, and how it is reached.

    :ivar name: of the dump; it is the member ``dumps/<name>`` of a backup.
    :ivar type: one of :data:`TYPES`.
    :ivar database: its name, for PostgreSQL and MySQL.
    :ivar path: its file, for SQLite.
    :ivar host: name, address, or the absolute path of a socket (PostgreSQL: of its folder); empty means the local socket.
    :ivar port: 0 means the usual one.
    :ivar user: of the database; empty means the usual one.
    :ivar password: never shown.
    :ivar run_as: user of the system that the clients run as; empty means the present one.
    :ivar unit: unit of systemd that is stopped while the files of Redis are exchanged.
    :ivar data_directory: of Redis, where the server itself does not say.
    :ivar binary_directory: where the clients are; empty means PATH.
    """

    name: str
    type: str
    database: str = ""
    path: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    run_as: str = ""
    unit: str = ""
    data_directory: str = ""
    binary_directory: str = ""

    @property
    def member(self) -> str:
        """The name of the dump in a backup."""
        return f"dumps/{self.name}"

    @property
    def shown(self) -> str:
        """What it is, for people: never with a secret."""
        what = {
            POSTGRESQL: f"PostgreSQL database {self.database}",
            POSTGRESQL_GLOBALS: "PostgreSQL roles and tablespaces",
            MYSQL: f"MySQL database {self.database}",
            SQLITE: f"SQLite database {self.path}",
            REDIS: "Redis data",
        }[self.type]
        return f"{what} on {self.place}" if self.host and self.type != SQLITE else what

    @property
    def place(self) -> str:
        """Where its server is, for people."""
        if not self.host:
            return "this host"
        return f"{self.host}:{self.port}" if self.port and not self.host.startswith("/") else self.host


def dump_options() -> dict[str, dict[str, Any]]:
    """Return the suboptions of ``dumps`` as an argument spec describes them (doc fragment ``dumps``)."""
    return {
        "name": {"type": "str"},
        "type": {"type": "str", "required": True, "choices": list(TYPES)},
        "database": {"type": "str"},
        "path": {"type": "path"},
        "host": {"type": "str"},
        "port": {"type": "int"},
        "user": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "run_as": {"type": "str"},
        "unit": {"type": "str"},
        "data_directory": {"type": "path"},
        "binary_directory": {"type": "path"},
    }


def read_dumps(raw: Sequence[Mapping[str, Any]], place: str = "dumps", *, restored: bool = True) -> list[DumpSpec]:
    """Check the option ``dumps`` and fill in its defaults.

    :param place: the name of the option, for messages.
    :param restored: the database may be restored, so that its name needs room for an addition.
    :raises UpkeepError: naming the index, the option and what is accepted.
    """
    specs: list[DumpSpec] = []
    for index, entry in enumerate(raw):
        spec = _read_dump(f"{place}[{index}]", entry, restored)
        twin = next((number for number, other in enumerate(specs) if other.name == spec.name), None)
        if twin is not None:
            raise UpkeepError(f"{place}[{index}] is called {spec.name} like {place}[{twin}]; give one of them another name")
        specs.append(spec)
    return specs


def _read_dump(where: str, entry: Mapping[str, Any], restored: bool) -> DumpSpec:
    given = {key: value for key, value in entry.items() if value not in (None, "")}
    kind = given.pop("type", None)
    if kind not in TYPES:
        raise UpkeepError(f"{where}.type is {kind!r}; accepted values: {', '.join(TYPES)}")
    foreign = sorted(set(given) - _ACCEPTED[kind] - {"name"})
    if foreign:
        accepted = ", ".join(sorted(_ACCEPTED[kind]))
        raise UpkeepError(f"{where}.{foreign[0]} has no meaning for a dump of type {kind}; accepted options: {accepted}")
    needed = _REQUIRED.get(kind)
    if needed and needed not in given:
        raise UpkeepError(f"{where}.{needed} is missing; a dump of type {kind} needs it")
    refuse_out_of_range(given, {"port": (1, 65535)}, f"{where}.")
    for key, value in given.items():
        if isinstance(value, str) and any(character in value for character in "\0\n\r"):
            raise UpkeepError(f"{where}.{key} holds a line break or a null character")
    for key in ("path", "data_directory", "binary_directory"):
        if key in given and not given[key].startswith("/"):
            raise UpkeepError(f"{where}.{key}: {given[key]} is no absolute path")
    if restored:
        _check_identifier(where, kind, given.get("database", ""))
    local = given.get("host", "/").startswith("/")
    if kind == MYSQL and local and "port" in given:
        # Its client would pass over the port, and reach whichever server has the socket.
        raise UpkeepError(f"{where}.port: MySQL reaches a port only by the name or address of a host; give host, such as 127.0.0.1")
    if kind in (POSTGRESQL, POSTGRESQL_GLOBALS) and local and "password" not in given:
        given.setdefault("run_as", "postgres")  # whom Debian's pg_hba.conf lets in through the socket
    name = given.pop("name", None) or default_name(kind, given)
    if not _NAME.fullmatch(name):
        raise UpkeepError(f"{where}.name: {name!r} is not accepted; give letters, digits, '.', '-' and '_', at most 100")
    return DumpSpec(name=name, type=kind, **given)


def _check_identifier(where: str, kind: str, database: str) -> None:
    most = _MAX_IDENTIFIER_BYTES.get(kind)
    if most and len(database.encode("utf-8", "surrogateescape")) + ADDED_CHARACTERS > most:
        raise UpkeepError(
            f"{where}.database: {database!r} is too long; with the {ADDED_CHARACTERS} characters that a restored copy "
            f"adds to it, a name has at most {most} bytes"
        )


def default_name(kind: str, given: Mapping[str, Any]) -> str:
    """Return what a dump is called when nobody says so, such as ``postgresql-neurosense.pgdump``."""
    subject = given.get("database") or str(given.get("path", "")).rsplit("/", 1)[-1]
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", subject).strip("-.")[:60]
    suffix = _SUFFIXES[kind]
    stem = kind.replace("_", "-") + (f"-{slug}" if slug else "")
    return stem if stem.endswith(suffix) else stem + suffix
