# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logins over ssh as somebody else would try them: with one key or with nothing at all, never with a password."""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Logged in; the server refused to let the user in; it was there and did not come to that; nothing took the connection.
GRANTED, DENIED, DROPPED, CLOSED = "granted", "denied", "dropped", "closed"
#: The exit status of ssh itself, in contrast to that of what it ran.
_OF_SSH = 255
_CONNECT_SECONDS = 3.0
#: A server that shuts somebody out for a while (PerSourcePenalties) is asked again after this long.
_PAUSE_SECONDS = 2.0
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_.:%]([A-Za-z0-9_.:%-]{0,252})")


@dataclass(frozen=True)
class Target:
    """Where to log in, as whom and with what.

    :ivar key: path of a private key; '' for none.
    """

    host: str
    port: int
    user: str
    key: str


def try_logins(params: Mapping[str, Any]) -> dict[str, Any]:
    """Try to log in until so many logins were granted or denied, and return what the module returns.

    :raises UpkeepError: when an option is wrong, or there is no ssh client.
    """
    refuse_out_of_range(params, {"attempts": (1, 100), "port": (1, 65_535), "timeout_seconds": (1, 300), "most_seconds": (1, 3600)})
    target = Target(params["host"], params["port"], params["user"], params["key"] or "")
    if not _USER.fullmatch(target.user):
        raise UpkeepError(f"user: {plain(target.user, 100)!r} is no name of a user.")
    if not _HOST.fullmatch(target.host):
        raise UpkeepError(f"host: {plain(target.host, 100)!r} is no name or address of a host.")
    program = shutil.which("ssh")
    if program is None:
        raise UpkeepError("there is no ssh client here; install openssh-client")
    counts = dict.fromkeys((GRANTED, DENIED, DROPPED, CLOSED), 0)
    deadline = time.monotonic() + params["most_seconds"]
    while True:
        done = run_command(ssh_argv(program, target), timeout_seconds=params["timeout_seconds"])
        outcome = told_outcome(done) or (DROPPED if _takes_connections(target) else CLOSED)
        counts[outcome] += 1
        enough = counts[GRANTED] + counts[DENIED] >= params["attempts"] or outcome == CLOSED
        if enough or time.monotonic() >= deadline:
            return {"changed": False, **counts, "said": _said(done)}
        if outcome == DROPPED:
            time.sleep(max(0.0, min(_PAUSE_SECONDS, deadline - time.monotonic())))


def ssh_argv(program: str, target: Target) -> list[str]:
    """Return the command of one login: nothing of this host's own settings, keys, agents and kept connections is used."""
    options = [
        "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null", "LogLevel=ERROR",
        "ControlMaster=no", "ControlPath=none", "IdentityAgent=none", "IdentitiesOnly=yes", "ForwardAgent=no", "ClearAllForwardings=yes",
        "NumberOfPasswordPrompts=0", "PreferredAuthentications=publickey", f"PubkeyAuthentication={'yes' if target.key else 'no'}",
        f"IdentityFile={target.key or 'none'}", f"ConnectTimeout={_CONNECT_SECONDS:.0f}",
    ]  # fmt: skip
    return [
        program, "-F", "none", "-T", "-n", *(part for option in options for part in ("-o", option)),
        "-p", str(target.port), "-l", target.user, "--", target.host, "true",
    ]  # fmt: skip


def told_outcome(done: CommandResult) -> str:
    """Return what a login came to, as far as ssh says; '' when it was another failure than a refusal.

    Whoever is logged in and whose command then fails, or whose shell is none, is logged in.
    """
    if done.problem or done.timed_out or done.returncode is None:
        return ""
    if 0 <= done.returncode != _OF_SSH:
        return GRANTED
    # The server may say anything beforehand (a banner); what the client says itself comes last.
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return DENIED if re.search(r": Permission denied \([^()]*\)\.?\s*\Z", last) else ""


def _takes_connections(target: Target) -> bool:
    try:
        socket.create_connection((target.host, target.port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _said(done: CommandResult) -> str:
    if done.timed_out:
        return "it did not end in time"
    return plain(done.problem or (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1], 200)
