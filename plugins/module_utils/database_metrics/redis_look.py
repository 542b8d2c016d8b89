# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at a server of Redis with its own client."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Look
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import Target
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import ask
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Counters by their name here and in ``INFO``.
_COUNTED = {
    "commands": "total_commands_processed",
    "hits": "keyspace_hits",
    "misses": "keyspace_misses",
    "evicted": "evicted_keys",
    "expired": "expired_keys",
    "rejected": "rejected_connections",
}
COUNTERS = (*_COUNTED, "slow")
DOING = "look at"
#: Only who asks for figures gets an answer then.
LOADING = "the server is still loading its data and answers no program"


def look_at(target: Target, deadline: float, now: float) -> Answers:
    """Ask the server everything.

    :param deadline: moment of ``time.monotonic()``.
    :param now: present moment, seconds since 1970.
    :raises UpkeepError: when the server does not answer, in words.
    """
    begun = time.monotonic()

    def lines(*command: str) -> list[str]:
        return ask(target.spec, [*(["--tls"] if target.tls else []), *command], doing=DOING, deadline=deadline)

    info = read_info(lines("INFO"))
    if not info:
        raise UpkeepError(f"cannot look at the {target.spec.shown}: the server does not tell its figures")
    if info.get("loading") == "1":
        raise UpkeepError(f"cannot look at the {target.spec.shown}: {LOADING}")
    answers = Answers(version=plain(info.get("redis_version", ""), 40), rows={"info": [info]})
    counters = {name: value for name, word in _COUNTED.items() if (value := number(info.get(word))) is not None}

    def section(name: str, command: str, what: str) -> list[str]:
        """Return what the server may refuse to tell; then a problem of that name says why."""
        try:
            return lines(command, "GET", what)
        except UpkeepError as error:
            answers.problems[name] = _refusal(error, command)
            return []

    newest = section("slow", "SLOWLOG", "1")
    if "slow" not in answers.problems:
        counters["slow"] = slow_commands(newest)
    for name, what in (("save", "save"), ("slowlog", "slowlog-*"), *(() if "maxclients" in info else (("maxclients", "maxclients"),))):
        told = section(name, "CONFIG", what)
        answers.rows[name] = [dict(zip(told[::2], told[1::2]))]
    uptime = number(info.get("uptime_in_seconds"))
    began = now - uptime if uptime is not None else 0.0
    answers.look = Look(now, began, began, counters, frozenset({"slow"}))  # SLOWLOG RESET is a reset of its own
    answers.seconds = time.monotonic() - begun
    return answers


def _refusal(error: UpkeepError, command: str) -> tuple[str, str]:
    """Return why a command was refused, and what would help: commands may also have another name, or none."""
    if "noperm" in error.message.lower():
        return f"the user may not send {command} GET", f"Let it: ACL SETUSER <user> +{command.lower()}|get."
    return plain(error.message, 300).rstrip("."), ""


def read_info(lines: Sequence[str]) -> dict[str, str]:
    """Return what ``INFO`` says, by name."""
    pairs = (line.rstrip("\r").partition(":") for line in lines if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def slow_commands(lines: Sequence[str]) -> float:
    """Return how many slow commands there were since the start: the newest entry has their number. The commands themselves stay here."""
    newest = number(lines[0].strip()) if lines and lines[0].strip() else None
    return 0.0 if newest is None else newest + 1
