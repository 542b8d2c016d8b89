# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option ``databases``: which databases are looked at, and how they are called in checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec, dump_options, read_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

TYPES = ("postgresql", "mysql", "redis", "sqlite")
#: What says how a database is reached, as for a dump.
_REACHED_BY = ("database", "path", "host", "port", "user", "password", "run_as", "binary_directory")
_USUAL_PORTS = {"postgresql": 5432, "mysql": 3306, "redis": 6379}


@dataclass(frozen=True)
class Target:
    """One database to look at.

    :ivar spec: how its server is reached, as for a dump.
    :ivar subject: what its checks are about, such as ``postgresql shop``.
    :ivar server: what the checks of its server are about, such as ``postgresql`` or ``mysql db.example.com:3306``.
    :ivar first: the first one of its server, which looks at what belongs to the server as a whole.
    :ivar tls: Redis is reached through TLS.
    """

    spec: DumpSpec
    subject: str
    server: str
    first: bool = True
    tls: bool = False


def target_options() -> dict[str, dict[str, Any]]:
    """Return the suboptions of ``databases`` as an argument spec describes them."""
    reached = dump_options()
    return {
        **{name: reached[name] for name in _REACHED_BY},
        "type": {**reached["type"], "choices": list(TYPES)},
        "tls": {"type": "bool", "default": False},
    }


def read_targets(raw: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Check the option ``databases`` and say which one looks at each server.

    :raises UpkeepError: naming the index, the option and what is accepted.
    """
    targets: list[Target] = []
    for index, entry in enumerate(raw):
        given = {key: value for key, value in entry.items() if key != "tls"}
        spec = _spec(index, given)
        place = _place(spec)
        server = f"{spec.type} {place}".rstrip()
        subject = {"sqlite": f"sqlite {spec.path}", "redis": server}.get(spec.type) or f"{spec.type} {spec.database}" + (f" on {place}" if place else "")
        twin = next((number for number, other in enumerate(targets) if other.subject == subject), None)
        if twin is not None:
            raise UpkeepError(f"databases[{index}] is {subject} like databases[{twin}]; name each database once.")
        if entry.get("tls") and spec.type != "redis":
            raise UpkeepError(f"databases[{index}].tls has no meaning for the type {spec.type}; accepted for redis.")
        first = all(other.server != server for other in targets)
        targets.append(Target(spec, subject, server, first, bool(entry.get("tls"))))
    return targets


def _spec(index: int, given: Mapping[str, Any]) -> DumpSpec:
    """Return how a server is reached. Dumps need names that differ, so each entry is read alone."""
    try:
        (spec,) = read_dumps([{**given, "name": "looked-at"}], "databases", restored=False)
    except UpkeepError as error:
        raise UpkeepError(error.message.replace("databases[0]", f"databases[{index}]", 1)) from None
    return spec


def _place(spec: DumpSpec) -> str:
    """Return where a server is, for people; empty for the usual one of this host.

    Two servers of one host may differ in nothing but their port: the socket of PostgreSQL is in the folder ``host`` and named by it.
    """
    port = "" if spec.port in (0, _USUAL_PORTS.get(spec.type)) else str(spec.port)
    if not spec.host:
        return f"port {port}" if port else ""
    return f"{spec.host}:{port}" if port and spec.type == "postgresql" and spec.host.startswith("/") else spec.place
