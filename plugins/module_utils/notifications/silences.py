# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Silences and maintenance windows: problems that are known stay in the record and do not count, until an end.

Pure. A silence that is written wrongly silences nothing and says so, since play 2 must report whatever is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import (
    NOT_RUN,
    NOTIFY_ROLE,
    PLATFORM_ROLE,
    with_hosts,
    with_run_checks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

CHECK = "notify.silence"
MAX_SILENCES = 500
_KEYS = ("id", "hosts", "check", "subject", "from", "until", "reason")
_TIME = "a time with its zone, such as 2026-11-30T06:00:00Z"
_HINT = "Mend it in upkeep_silences; docs/notifications.md has examples."
_MAX_TEXT = 200


@dataclass(frozen=True)
class Silence:
    """Which problems are known, from when until when, and why.

    :ivar hosts: names of hosts or groups, wildcards allowed; empty: every host.
    :ivar check: pattern for the id of the check, as is ``subject`` for its subject.
    """

    id: str
    hosts: tuple[str, ...]
    check: str
    subject: str
    begins: datetime | None
    until: datetime
    reason: str

    def covers(self, names: Collection[str], check: Mapping[str, Any], now: datetime) -> bool:
        """Tell whether a check of a host with these names (its own and those of its groups) is silenced now."""
        return (
            (self.begins is None or self.begins <= now)
            and now < self.until
            and fnmatchcase(check["check"], self.check)
            and fnmatchcase(check["subject"], self.subject)
            and (not self.hosts or any(fnmatchcase(name, host) for name in names for host in self.hosts))
        )

    @property
    def mark(self) -> dict[str, str]:
        """What a silenced check carries."""
        return {"id": self.id, "reason": self.reason, "until": to_iso(self.until)}


def read_silences(written: Any, *, now: datetime) -> tuple[list[Silence], list[dict[str, Any]]]:
    """Return the silences that can be used, and a check for each that is expired or cannot be used.

    :param written: what the user wrote; plain values.
    """
    if not written and isinstance(written, (type(None), str, list, tuple)):
        return [], []
    if not isinstance(written, list):
        return [], [_refused("upkeep_silences", f"it must be a list, not {type(written).__name__}")]
    silences, checks = [], []
    for index, entry in enumerate(written[:MAX_SILENCES]):
        name = f"silences[{index}]"
        try:
            silence = _read(entry, index)
        except ValueError as exc:
            given = entry.get("id") if isinstance(entry, Mapping) else ""
            checks.append(_refused(f"{name} {plain(str(given or ''), 60)}".strip(), str(exc)))
            continue
        if silence.until <= now:
            checks.append(_expired(silence, now))
        else:
            silences.append(silence)
    if len(written) > MAX_SILENCES:
        checks.append(_refused("upkeep_silences", f"those beyond the first {MAX_SILENCES} are left out"))
    return silences, checks


def with_silences(
    record: Mapping[str, Any], written: Any, groups: Mapping[str, Sequence[str]], *, report_host: str, now: datetime
) -> dict[str, Any]:
    """Return the record with every known problem marked as suppressed, and with checks of the silences themselves.

    A problem that its module has suppressed already keeps that mark. What is fine is fine in a window, too.

    :param written: the silences as the user wrote them; plain values.
    :param groups: the groups of each host by its name.
    """
    silences, checks = read_silences(written, now=now)
    if silences:
        hosts = {host: _silenced_host(host, entry, silences, groups.get(host, ()), now) for host, entry in record["hosts"].items()}
        record = with_hosts(record, hosts)
    return with_run_checks(record, report_host, NOTIFY_ROLE, checks)


def silenced_checks(checks: Sequence[dict[str, Any]], written: Any, *, host: str, now: datetime) -> list[dict[str, Any]]:
    """Return checks of one host that came later, those marked that are silenced."""
    silences, _mistakes = read_silences(written, now=now)
    return [_marked(check, silences, {host}, now) for check in checks]


def _silenced_host(
    host: str, entry: Mapping[str, Any], silences: Sequence[Silence], groups: Sequence[str], now: datetime
) -> dict[str, Any]:
    names = {host, *groups}
    roles = {}
    for name, role in entry["roles"].items():
        checks = [_marked(check, silences, names, now) for check in role["checks"]]
        roles[name] = {**role, "status": worst_of(checks), "checks": checks} if checks else role
    marks = [check["suppressed"] for check in roles.get(PLATFORM_ROLE, {"checks": []})["checks"] if check.get("suppressed")]
    if marks:
        # The host is known to be away, and then so is all that nobody could look at for that reason.
        reason = f"the host does not answer; suppressed until {marks[0].get('until')} ({marks[0].get('reason')})"
        roles = {
            name: {**role, "status": NOT_RUN, "reason": reason} if role["status"] == UNKNOWN and not role["checks"] else role
            for name, role in roles.items()
        }
    return {**entry, "roles": roles}


def _marked(check: dict[str, Any], silences: Sequence[Silence], names: Collection[str], now: datetime) -> dict[str, Any]:
    # A silence that is about to hide what is wrong with silences would hide itself.
    if check["status"] == OK or check.get("suppressed") or check["check"] == CHECK:
        return check
    for silence in silences:
        if silence.covers(names, check, now):
            return {**check, "suppressed": silence.mark}
    return check


def _read(entry: Any, index: int) -> Silence:
    """Return one silence.

    :raises ValueError: with what is wrong.
    """
    if not isinstance(entry, Mapping):
        raise ValueError(f"it must be a mapping with until and reason, not {type(entry).__name__}")
    unknown = [str(key) for key in entry if key not in _KEYS]
    if unknown:
        raise ValueError(f"{plain(unknown[0], 40)} is no key of a silence; accepted: {', '.join(_KEYS)}")
    reason = _text(entry, "reason")
    if not reason:
        raise ValueError("it has no reason: say in a few words why these problems are known")
    if entry.get("until") in (None, ""):
        raise ValueError(f"it has no end: give until, {_TIME}")
    until, begins = _time(entry, "until"), _time(entry, "from") if entry.get("from") not in (None, "") else None
    if begins is not None and begins >= until:
        raise ValueError("its from is not before its until")
    hosts = entry.get("hosts")
    hosts = [hosts] if isinstance(hosts, str) else [] if hosts is None else hosts
    if hosts == [] and entry.get("hosts") is not None:
        raise ValueError("its hosts are an empty list, which is no host; leave hosts out to mean every host")
    if not isinstance(hosts, list) or not all(isinstance(host, str) and host for host in hosts):
        raise ValueError("its hosts must be a list of names")
    return Silence(
        id=_text(entry, "id") or f"silences[{index}]",
        hosts=tuple(hosts),
        check=_text(entry, "check") or "*",
        subject=_text(entry, "subject") or "*",
        begins=begins,
        until=until,
        reason=reason,
    )


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ValueError(f"its {key} must be a text")
    return plain(str(value), _MAX_TEXT)


def _time(entry: Mapping[str, Any], key: str) -> datetime:
    try:
        return from_iso(str(entry[key]))
    except ValueError:
        raise ValueError(f"its {key} is {plain(str(entry[key]), 60)!r}; it must be {_TIME}") from None


def _refused(subject: str, reason: str) -> dict[str, Any]:
    return check_result(CHECK, subject, UNKNOWN, f"This silence cannot be used and silences nothing: {reason}.", hint=_HINT)


def _expired(silence: Silence, now: datetime) -> dict[str, Any]:
    hours = (now - silence.until).total_seconds() / 3600
    ago = f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.1f} hours"
    return check_result(
        CHECK, silence.id, WARNING,
        f"The silence {silence.id} ({silence.reason}) ended {ago} ago, at {to_iso(silence.until)}; it silences nothing any more.",
        value=round(hours, 2), unit="hours", warning=0,
        hint="Remove it from upkeep_silences, or give it a new end and a reason that still holds.",
    )
