# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the clients of databases say when something is wrong, in words that name the next step, and never with a secret."""

from __future__ import annotations

import re

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_processes import ClientResult
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What clients print, and what to do about it. The first that fits is taken.
_ADVICE = (
    (r"without any password configured", "the server has no password for this user; leave password out"),
    (r"password authentication failed|access denied for user|wrongpass|fe_sendauth: no password|noauth",
     "the server refuses the user or the password; check user and password"),
    (r"peer authentication failed|ident authentication failed|no pg_hba.conf entry",
     "the server does not let this user in; check user, run_as and pg_hba.conf"),
    (r"fatal: +role .* does not exist", "the server has no such user; check user"),
    (r"role \"[^\"]*\" does not exist|role .* does not exist",
     "a role is missing on the server; restore its globals first (type postgresql_globals)"),
    (r"server version mismatch|unsupported version",
     "the client is older than the server or than the one that made the dump; install the newer client"),
    (r"database \"[^\"]*\" does not exist|unknown database", "there is no such database; check its name"),
    (r"no space left on device|disk full|could not extend file", "a disk is full; make room"),
    (r"connection refused|no such file or directory.*socket|could not connect|can't connect|connection to server .* failed",
     "the server does not answer; is it running, and are host and port right"),
    (r"could not translate host name|unknown (mysql|mariadb)? ?server host|name or service not known",
     "nobody knows that host; check its name"),
    (r"permission denied|must be owner|must be superuser|noperm", "the user lacks a right; check user and run_as"),
)


def masked(text: str, spec: DumpSpec) -> str:
    """Return a text without the password of the spec, whoever printed it."""
    return text.replace(spec.password, "********") if spec.password else text


def failure(spec: DumpSpec, doing: str, program: str, result: ClientResult) -> UpkeepError:
    """Return the error for a client that failed.

    :param doing: what was tried, such as ``dump`` or ``restore``.
    """
    name = program.rsplit("/", 1)[-1]
    if result.timed_out:
        return UpkeepError(f"cannot {doing} the {spec.shown}: {name} was not done in time; raise timeout_seconds")
    said = plain(masked(_relevant(result.said), spec), 400).rstrip(".")
    advice = next((text for pattern, text in _ADVICE if re.search(pattern, result.said, re.IGNORECASE)), "")
    ended = f"ended with status {result.returncode}" if result.returncode >= 0 else f"was ended by signal {-result.returncode}"
    reason = advice or f"{name} {ended}"
    return UpkeepError(f"cannot {doing} the {spec.shown}: {reason}" + (f" ({name} says: {said})" if said else ""))


def _relevant(said: str) -> str:
    """Return the lines that tell: the errors, when some are called so, without what merely follows from them."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(error|fatal|panic|failed|denied|noauth|wrongpass)\b", line, re.IGNORECASE)]
    return " ".join((errors or lines)[:4])
