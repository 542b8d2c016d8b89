# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client of Redis: how it is called, and asking the server."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_errors import failure
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_processes import (
    ClientCall,
    ClientResult,
    find_program,
    run_client,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec

PACKAGE = "redis-tools"
PROGRAM = "redis-cli"


def call_client(
    spec: DumpSpec, doing: str, arguments: Sequence[str], *, deadline: float, descriptors: Sequence[int] = ()
) -> ClientResult:
    """Run redis-cli to its end.

    :param doing: what for, in an error: ``cannot <doing> the Redis data``.
    :raises UpkeepError: when it fails, in words.
    """
    argv = [find_program((PROGRAM,), spec.binary_directory, PACKAGE)]
    if spec.host.startswith("/"):
        argv += ["-s", spec.host]
    elif spec.host:
        argv += ["-h", spec.host]
    if spec.port:
        argv += ["-p", str(spec.port)]
    if spec.user:
        argv += ["--user", spec.user]
    argv += ["--no-auth-warning", "-e", *arguments]
    # redis-cli takes a password from its environment, which only root and its own user can read.
    environment = {"REDISCLI_AUTH": spec.password} if spec.password else {}
    call = ClientCall(tuple(argv), environment, tuple(descriptors), spec.run_as)
    result = run_client(call, deadline=deadline)
    # It goes on without a login when the login fails, and tells of errors in its output too.
    if result.returncode or result.timed_out or "AUTH failed" in result.said:
        said = result.said + result.output[:2000].decode("utf-8", "replace")
        raise failure(spec, doing, PROGRAM, ClientResult(result.returncode, b"", said, result.timed_out))
    return result


def ask(spec: DumpSpec, command: Sequence[str], *, doing: str, deadline: float) -> list[str]:
    """Send a command and return the lines of its answer.

    :raises UpkeepError: when the server refuses, in words.
    """
    result = call_client(spec, doing, command, deadline=deadline)
    return result.output.decode("utf-8", "surrogateescape").splitlines()
