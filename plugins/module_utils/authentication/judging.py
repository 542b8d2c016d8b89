# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the figures of logins mean: check results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.sources import JOURNAL, NO_LOG_HINT, Source
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.tally import Figures, Guessed, Table, Tally
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    check_result,
    grade,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

FAILURES, GUESSED, LOCAL, SOURCE = "auth.failures", "auth.success_after_failures", "auth.sudo", "auth.source"
#: An address that is one of so few in its subnet says all that the subnet would say.
_MIN_ADDRESSES_OF_SUBNET = 3
_MAX_GUESSED_ROWS = 50


class _Kind(NamedTuple):
    """One kind of subject.

    :ivar level: the part of the names of its thresholds.
    :ivar prefix: keeps a user called like an address apart from the address.
    """

    check: str
    level: str
    words: str
    many: str
    hint: str
    prefix: str = ""


_ADDRESS = _Kind(
    FAILURES, "per_address", "failed logins came from", "addresses",
    "See whom it tried, and block it if it is none of yours; let it be one of allow if it is.",
)
_SUBNET = _Kind(FAILURES, "per_subnet", "failed logins came from", "subnets", "Block the subnet if none of yours is in it.")
_USER = _Kind(
    FAILURES, "per_user", "failed logins were for the user", "users", "Let the account log in with keys only, or from known networks.",
    "user ",
)
_LOCAL = _Kind(LOCAL, "sudo", "wrong passwords were given to", "users", "Ask the person; if it was nobody, someone else uses the account.")


def judge(tally: Tally, sources: Sequence[Source], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the checks; what could not be read is unknown, and what was read counts all the same."""
    checks = source_checks(sources, expect_messages=params["expect_messages"])
    if not any(source.usable for source in sources):
        return checks
    checks.append(_total(tally, params))
    most = max(params["top_addresses"], 1)
    addresses = {name: row for name, row in tally.addresses.rows.items() if not tally.is_allowed(name)}
    subnets = {
        name: row for name, row in tally.subnets.rows.items()
        if len(row.names) >= _MIN_ADDRESSES_OF_SUBNET and not tally.is_allowed(name.partition("/")[0])
    }
    users = {name: row for name, row in tally.users.rows.items() if row.exists is not False}
    checks += _over(_ADDRESS, addresses, params, most)
    checks += _over(_SUBNET, subnets, params, most)
    checks += _over(_USER, users, params, max(params["top_users"], 1))
    checks += _guessed(list(tally.guessed.values()), tally.guessed_folded)
    return checks + _local(tally.local, params)


def source_checks(sources: Sequence[Source], *, expect_messages: bool) -> list[dict[str, Any]]:
    """Return one check for each source, and one for silence."""
    rows = [_source_check(source) for source in sources]
    usable = [source for source in sources if source.usable]
    if expect_messages and usable and not any(source.within for source in usable):
        rows.append(check_result(
            SOURCE, "silence", UNKNOWN,
            "Nothing was written about logins in the window: nobody logged in or used sudo, or it is not written there any more.",
            hint=NO_LOG_HINT + " If silence is ordinary here, set expect_messages to false.",
        ))
    return rows


def _source_check(source: Source) -> dict[str, Any]:
    where = "The journal" if source.name == JOURNAL else plain(source.name, 200)
    if source.problem:
        how = "was not wholly read" if source.usable else "could not be read"
        return check_result(SOURCE, source.name, UNKNOWN, f"{where} {how}: {source.problem}.", hint=source.hint or NO_LOG_HINT)
    found = []
    begins = "" if source.begins is None else to_iso(datetime.fromtimestamp(source.begins, timezone.utc))
    if source.lost:
        found.append((
            UNKNOWN, f"{where} begins at {begins} only, although this host was started before: what it held of the window is gone.",
            source.messages, "Find out who removed it, or let journald keep more: SystemMaxUse in /etc/systemd/journald.conf.",
        ))
    if source.unparsed > max(10, source.lines // 10):
        found.append((
            UNKNOWN, f"{source.unparsed} of {source.lines} lines of {where} are no lines of syslog.", source.unparsed,
            "Look at its format; known are traditional and ISO 8601 dates.",
        ))
    if source.forged:
        found.append((
            WARNING,
            f"{where} holds {source.forged} {_plural(source.forged, 'message')} in the name of sshd, sudo, su or login "
            "that another program wrote.",
            source.forged, "See who wrote them: journalctl -t sshd -t sudo -o verbose. They were not counted.",
        ))
    if found:
        status, _text, value, hint = found[0]  # the worst stand first
        return check_result(SOURCE, source.name, status, " ".join(text for _status, text, *_rest in found), value=value, unit="count", hint=hint)
    return check_result(
        SOURCE, source.name, OK,
        f"{where} holds {source.messages} {_plural(source.messages, 'message')} about logins in the window"
        f"{f'; it reaches back to {begins} only' if begins else ''}.",
        value=source.messages, unit="count",
    )


def _total(tally: Tally, params: Mapping[str, Any]) -> dict[str, Any]:
    warning, critical = params["warning_failures"] or None, params["critical_failures"] or None
    remote = tally.failures - sum(row.failures for row in tally.local.rows.values()) - tally.local.folded_failures
    status = grade(remote, warning, critical)
    return check_result(
        FAILURES, "all logins", status,
        f"{remote} {_plural(remote, 'login')} failed and {tally.accepted} succeeded{_limits(warning, critical)}; "
        f"{len(tally.addresses.rows) + tally.addresses.folded_keys} addresses and "
        f"{len(tally.users.rows) + tally.users.folded_keys} users were seen.",
        value=remote, unit="count", warning=warning, critical=critical,
        hint=None if status == OK else "See addresses and users of the result; limit who may reach sshd, and let it take keys only.",
    )


def _over(kind: _Kind, rows: Mapping[str, Figures], params: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """Return a check for each subject that reached a threshold, the worst first; the rest of them share one."""
    warning, critical = params[f"warning_{kind.level}"] or None, params[f"critical_{kind.level}"] or None
    over = [(name, row, grade(row.failures, warning, critical)) for name, row in rows.items()]
    over = sorted((item for item in over if item[2] != OK), key=lambda item: (-item[1].failures, item[0]))
    checks = [
        check_result(
            kind.check, f"{kind.prefix}{name}", status,
            f"{row.failures} {kind.words} {plain(name, 100)} within {duration_text(max(60.0, row.last - row.first))}{_limits(warning, critical)}"
            + (f"; {row.accepted} {_plural(row.accepted, 'login')} succeeded." if row.accepted else "."),
            value=row.failures, unit="count", warning=warning, critical=critical, hint=kind.hint,
            evidence={"names": list(row.names), "accepted": row.accepted},
        )
        for name, row, status in over[:most]
    ]
    rest = over[most:]
    if rest:
        figure = sum(row.failures for _name, row, _status in rest)
        worst = CRITICAL if any(status == CRITICAL for _name, _row, status in rest) else WARNING
        checks.append(check_result(
            kind.check, f"further {kind.many}", worst,
            f"{figure} {kind.words} {len(rest)} further {kind.many} that reached a threshold{_limits(warning, critical)}.",
            value=figure, unit="count", warning=warning, critical=critical, hint=kind.hint,
        ))
    return checks


def _guessed(found: Sequence[Guessed], folded: int) -> list[dict[str, Any]]:
    if not found:
        return [check_result(GUESSED, "all logins", OK, "No login followed many failures.", value=0, unit="count")]
    rows = []
    for one in sorted(found, key=lambda item: -item.failures)[:_MAX_GUESSED_ROWS]:
        user, address = plain(one.user, 60), plain(one.address or "an unknown address", 60)
        whose = f"from {address}" if one.by == "address" else f"for {user} from various addresses"
        rows.append(check_result(
            GUESSED, f"{user} from {address}", CRITICAL,
            f"{user} logged in from {address} ({plain(one.method or 'unknown method', 60)}) after {one.failures} failed passwords {whose}: "
            "it may have been guessed.",
            value=one.failures, unit="count",
            hint="Ask the person. If it was not them, isolate the host: upkeep.runbook.security_incident --tags isolate; otherwise list their"
            " network in allow.",
        ))
    rest = len(found) - len(rows) + folded
    if rest:
        rows.append(check_result(
            GUESSED, "further logins", CRITICAL, f"{rest} further logins followed many failures.", value=rest, unit="count",
        ))
    return rows


def _local(table: Table, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    most = max(params["top_users"], 1)
    refused = sorted(((name, row) for name, row in table.rows.items() if row.refused), key=lambda item: (-item[1].refused, item[0]))
    checks = [
        check_result(
            LOCAL, name, WARNING,
            f"{plain(name, 100)} was refused {row.refused} {_plural(row.refused, 'time')}: not in sudoers, or not for that command.",
            value=row.refused, unit="count", hint=_LOCAL.hint,
        )
        for name, row in refused[:most]
    ]
    if len(refused) > most:
        checks.append(check_result(
            LOCAL, "further refusals", WARNING, f"{len(refused) - most} further users were refused.",
            value=len(refused) - most, unit="count",
        ))
    already = {name for name, _row in refused}
    checks += _over(_LOCAL, {name: row for name, row in table.rows.items() if name not in already}, params, most)
    if not checks:
        count = sum(row.failures for row in table.rows.values())
        checks.append(check_result(
            LOCAL, "sudo and su", OK, f"{count} wrong passwords were given to sudo and su; nobody was refused.",
            value=count, unit="count",
        ))
    return checks


def _limits(warning: Any, critical: Any) -> str:
    named = ", ".join(f"{name} at {limit}" for name, limit in (("warning", warning), ("critical", critical)) if limit)
    return f" ({named})" if named else ""


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
