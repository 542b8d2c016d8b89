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
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import fill, unnamed_file
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
    environment = {"PGUSER": spec.user or "postgres", "PGCONNECT_TIMEOUT": "10"}
    if program == "psql":  # pg_dump and its like keep their own names: whoever looks for long statements knows that backups run long
        environment["PGAPPNAME"] = "upkeep.runbook"
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
    sink: Callable[[bytes], None] | None = None,
    descriptors: Sequence[int] = (),
    source: int | None = None,
) -> ClientResult:
    """Run a client to its end.

    :param doing: what for, in an error: ``cannot <doing> the PostgreSQL database x``.
    :param source: open file that it reads.
    :raises UpkeepError: when it fails, in words.
    """
    with client_call(spec, program, arguments, descriptors=descriptors, source=source) as call:
        result = run_client(call, deadline=deadline, sink=sink)
    if result.returncode or result.timed_out:
        raise failure(spec, doing, program, result)
    return result


def psql(
    spec: DumpSpec, statements: str, *, database: str, doing: str, deadline: float, stop_at_errors: bool = True
) -> list[list[str]]:
    """Run SQL and return the rows of its answers, every value as text.

    The statements lie in a file without a name: whoever ends this process, psql sees all of them or none.

    :param database: which one to connect to.
    :raises UpkeepError: when the server refuses, in words.
    """
    result = run_script(
        spec, [statements.encode("utf-8", "surrogateescape")], database=database, doing=doing, deadline=deadline,
        stop_at_errors=stop_at_errors,
    )
    text = result.output.decode("utf-8", "surrogateescape")
    return [line.split(_SEPARATOR) for line in text.split("\n") if line]


def run_script(
    spec: DumpSpec, chunks: Iterable[bytes], *, database: str, doing: str, deadline: float, stop_at_errors: bool = True
) -> ClientResult:
    """Run a script of SQL with psql.

    :param stop_at_errors: otherwise what the server refuses is in ``said`` of the result.
    :raises UpkeepError: when psql fails, in words.
    """
    arguments = [
        "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", f"--field-separator={_SEPARATOR}",
        f"--set=ON_ERROR_STOP={int(stop_at_errors)}", f"--dbname={connection_string(database)}", "--file=-",
    ]
    with unnamed_file(None) as script:
        fill(script, chunks)
        return call_client(spec, doing, "psql", arguments, deadline=deadline, source=script)


def server_version(spec: DumpSpec, *, doing: str, deadline: float) -> int:
    """Return the major version of the server.

    :raises UpkeepError: when it does not answer.
    """
    rows = psql(spec, "SHOW server_version_num;", database=MAINTENANCE_DATABASE, doing=doing, deadline=deadline)
    try:
        return int(rows[0][0]) // 10000
    except (IndexError, ValueError):
        raise UpkeepError(f"cannot {doing} the {spec.shown}: the server does not tell its version") from None
