# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clients of MySQL and MariaDB: how they are called, and asking the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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

#: MariaDB's own names first: Debian's mysqldump is a link that will go away.
DUMP_PROGRAMS = ("mariadb-dump", "mysqldump")
PROGRAMS = ("mariadb", "mysql")
PACKAGE = "mariadb-client"


def identifier(name: str) -> str:
    """Return a name as SQL quotes it."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Return a text as a literal that means the same in every sql_mode: as hexadecimal digits."""
    digits = text.encode("utf-8", "surrogateescape").hex()
    return f"CONVERT(X'{digits}' USING utf8mb4)" if digits else "''"


def program_of(spec: DumpSpec, names: Sequence[str]) -> str:
    """Return the absolute path of a client.

    :raises UpkeepError: when it is not installed.
    """
    return find_program(names, spec.binary_directory, PACKAGE)


@contextmanager
def client_call(spec: DumpSpec, program: str, arguments: Sequence[str], source: int | None) -> Iterator[ClientCall]:
    """Give the call of a client that reaches the server of the spec."""
    reach = []
    if spec.host.startswith("/"):
        reach.append(f"--socket={spec.host}")
    elif spec.host:
        reach += [f"--host={spec.host}", "--protocol=TCP"]
    if spec.port:
        reach.append(f"--port={spec.port}")
    if spec.user:
        reach.append(f"--user={spec.user}")
    if not spec.password:
        yield ClientCall((program, *reach, *arguments), run_as=spec.run_as, source=source)
        return
    secret = spec.password.replace("\\", "\\\\").replace('"', '\\"')
    with secret_file(f'[client]\npassword="{secret}"\n', spec.run_as) as (path, descriptor):
        # Without a home: the file of settings there is read last, and its password would win.
        argv = (program, f"--defaults-extra-file={path}", *reach, *arguments)
        yield ClientCall(argv, {"HOME": "/nonexistent"}, (descriptor,), spec.run_as, source)


def call_client(
    spec: DumpSpec,
    doing: str,
    program: str,
    arguments: Sequence[str],
    *,
    deadline: float,
    sink: Callable[[bytes], None] | None = None,
    source: int | None = None,
) -> ClientResult:
    """Run a client to its end.

    :param doing: what for, in an error: ``cannot <doing> the MySQL database x``.
    :param source: open file that it reads.
    :raises UpkeepError: when it fails, in words.
    """
    with client_call(spec, program, arguments, source) as call:
        result = run_client(call, deadline=deadline, sink=sink)
    if result.returncode or result.timed_out:
        raise failure(spec, doing, program, result)
    return result


def ask(spec: DumpSpec, statements: str, *, doing: str, deadline: float, database: str = "") -> list[list[str]]:
    """Run SQL and return the rows of its answers, every value as text (``NULL`` for null).

    The statements lie in a file without a name: whoever ends this process, the client sees all of them or none.

    :param database: which one to use, or none.
    :raises UpkeepError: when the server refuses, in words.
    """
    return _asked(spec, statements, doing=doing, deadline=deadline, database=database)


def ask_named(spec: DumpSpec, statement: str, *, doing: str, deadline: float, database: str = "") -> list[dict[str, str]]:
    """Run one statement of SQL and return the rows of its answer by the names of their columns, every value as text.

    :param database: which one to use, or none.
    :raises UpkeepError: when the server refuses, in words.
    """
    rows = _asked(spec, statement, doing=doing, deadline=deadline, database=database, column_names=True)
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def _asked(
    spec: DumpSpec, statements: str, *, doing: str, deadline: float, database: str, column_names: bool = False
) -> list[list[str]]:
    with unnamed_file(None) as script:
        fill(script, [statements.encode("utf-8", "surrogateescape")])
        result = run_script(spec, script, doing=doing, deadline=deadline, database=database, column_names=column_names)
    text = result.output.decode("utf-8", "surrogateescape")
    return [[_unescaped(value) for value in line.split("\t")] for line in text.split("\n") if line]


def run_script(
    spec: DumpSpec, script: int, *, doing: str, deadline: float, database: str = "", column_names: bool = False
) -> ClientResult:
    """Run an open file of SQL.

    :param column_names: the first row of each answer are the names of its columns.
    :raises UpkeepError: when the server refuses, in words.
    """
    # Binary mode: no line is taken for a command of the client, which could start programs.
    arguments = ["--batch", "--column-names" if column_names else "--skip-column-names", "--binary-mode", "--default-character-set=utf8mb4"]
    if database:
        arguments.append(f"--database={database}")
    return call_client(spec, doing, program_of(spec, PROGRAMS), arguments, deadline=deadline, source=script)


def _unescaped(value: str) -> str:
    """Return a value as it was before ``--batch`` escaped it."""
    if "\\" not in value:
        return value
    escapes = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
    parts, at = [], 0
    while at < len(value):
        if value[at] == "\\" and at + 1 < len(value):
            parts.append(escapes.get(value[at + 1], value[at + 1]))
            at += 2
        else:
            parts.append(value[at])
            at += 1
    return "".join(parts)
