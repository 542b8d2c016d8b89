# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clients of PostgreSQL: how they are called, and asking the server with psql."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_errors import failure
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_processes import (
    ClientCall,
    ClientResult,
    find_program,
    run_client,
    secret_file,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

PACKAGE = "postgresql-client"
#: Databases that every server has, to be connected to while another one is renamed.
MAINTENANCE_DATABASE = "postgres"
_SEPARATOR = "\x1f"


def identifier(name: str) -> str:
    """Return a name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL quotes it, whatever standard_conforming_strings is."""
    return " E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def connection_string(database: str) -> str:
    """Return what ``--dbname`` takes: a bare name with ``=`` in it would be read as something else."""
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def client_call(
    spec: DumpSpec, program: str, arguments: Sequence[str], *, descriptors: Sequence[int] = (), source: int | None = None
) -> Iterator[ClientCall]:
    """Give the call of a client that reaches the server of the spec.

    :raises UpkeepError: when the client is not installed.
    """
    argv = (find_program((program,), spec.binary_directory, PACKAGE), *arguments)
    # What a client of PostgreSQL does not find here it takes from files of the system, never from our own environment.
    environment = {"PGUSER": spec.user or "postgres", "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "upkeep.runbook"}
    if spec.host:
        environment["PGHOST"] = spec.host
    if spec.port:
        environment["PGPORT"] = str(spec.port)
    if not spec.password:
        yield ClientCall(argv, environment, tuple(descriptors), spec.run_as, source)
        return
    secret = spec.password.replace("\\", "\\\\").replace(":", "\\:")
    with secret_file(f"*:*:*:*:{secret}\n", spec.run_as) as (path, descriptor):
        environment["PGPASSFILE"] = path
        yield ClientCall(argv, environment, (*descriptors, descriptor), spec.run_as, source)


def call_client(
    spec: DumpSpec,
    doing: str,
    program: str,
    arguments: Sequence[str],
    *,
    deadline: float,
    chunks: Iterable[bytes] | None = None,
    sink: Callable[[bytes], None] | None = None,
    descriptors: Sequence[int] = (),
) -> ClientResult:
    """Run a client to its end.

    :param doing: what for, in an error: ``cannot <doing> the PostgreSQL database x``.
    :raises UpkeepError: when it fails, in words.
    """
    with client_call(spec, program, arguments, descriptors=descriptors) as call:
        result = run_client(call, deadline=deadline, source=chunks, sink=sink)
    if result.returncode or result.timed_out:
        raise failure(spec, doing, program, result)
    return result


def psql(spec: DumpSpec, statements: str, *, database: str, doing: str, deadline: float, transaction: bool = False) -> list[list[str]]:
    """Run SQL and return the rows of its answers, every value as text.

    :param database: which one to connect to.
    :param transaction: all of it happens, or nothing.
    :raises UpkeepError: when the server refuses, in words.
    """
    arguments = [
        "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", f"--field-separator={_SEPARATOR}",
        "--set=ON_ERROR_STOP=1", f"--dbname={connection_string(database)}", "--file=-",
    ]
    if transaction:
        arguments.append("--single-transaction")
    result = call_client(
        spec, doing, "psql", arguments, deadline=deadline, chunks=[statements.encode("utf-8", "surrogateescape")]
    )
    text = result.output.decode("utf-8", "surrogateescape")
    return [line.split(_SEPARATOR) for line in text.split("\n") if line]


def server_version(spec: DumpSpec, *, database: str = MAINTENANCE_DATABASE, doing: str, deadline: float) -> int:
    """Return the major version of the server.

    :raises UpkeepError: when it does not answer.
    """
    rows = psql(spec, "SHOW server_version_num;", database=database, doing=doing, deadline=deadline)
    try:
        return int(rows[0][0]) // 10000
    except (IndexError, ValueError):
        raise UpkeepError(f"cannot {doing} the {spec.shown}: the server does not tell its version") from None
