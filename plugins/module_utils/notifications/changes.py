# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has changed since people were last told: the heart of the notifications. Pure: state and record in, tidings out.

A problem is (host, check, subject) of one platform. Every audience has its own memory of what it was told, since each has
its own threshold and its own channels, which may have failed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, severity
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.routes import Route
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import NOT_RUN, NOTIFY_ROLE, REPORT_ROLE
from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import Row, rows
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

NEW, WORSE, STILL, EASED, RECOVERED = "new", "worse", "still", "eased", "recovered"

#: In the order in which people are told.
KINDS = (NEW, WORSE, STILL, EASED, RECOVERED)

Key = tuple[str, str, str]


class Told(NamedTuple):
    """What an audience was told last: the worst status, and when (ISO 8601)."""

    status: str
    at: str


@dataclass(frozen=True)
class Known:
    """A problem that somebody is to hear of, or was told.

    Its last status, summary and hint are kept, so that a later run can tell what this one could not send.

    :ivar role: the role that saw it last.
    :ivar playbooks: those that saw it: only they can tell that it is not there any more.
    :ivar since: when it was first seen, ISO 8601.
    :ivar told: by audience.
    """

    role: str
    playbooks: tuple[str, ...]
    since: str
    status: str
    summary: str = ""
    hint: str = ""
    told: Mapping[str, Told] = field(default_factory=dict)


class Change(NamedTuple):
    """One line of a message.

    :ivar kind: one of :data:`KINDS`.
    :ivar status: the status now; ok when the problem is gone.
    :ivar was: the worst status that the audience was told, '' for a new problem.
    """

    kind: str
    host: str
    check: str
    subject: str
    status: str
    was: str
    since: str
    summary: str = ""
    hint: str = ""

    @property
    def key(self) -> Key:
        return (self.host, self.check, self.subject)


@dataclass(frozen=True)
class Tidings:
    """What one audience is to be told now.

    :ivar unchanged: problems it knows and is not reminded of.
    :ivar open: problems that are left for it when it has been told this.
    """

    audience: str
    changes: tuple[Change, ...]
    unchanged: int
    open: int


@dataclass(frozen=True)
class Decision:
    """Whom to tell what, and the problems as they are known before anybody is told.

    :ivar open: the problems that are there, or of which nobody knows better.
    """

    tidings: dict[str, Tidings]
    known: dict[Key, Known]
    open: frozenset[Key]


def decide(
    known: Mapping[Key, Known],
    record: Mapping[str, Any],
    routes: Mapping[str, Route],
    *,
    now: datetime,
    reminder_hours: float,
) -> Decision:
    """Compare what a run found with what people were told.

    :param known: the problems by identity.
    :param record: the run record.
    :param routes: of the audiences that can be told.
    :param reminder_hours: after this time an audience is reminded of what has not changed; 0 never.
    """
    found = _found(record)
    wanted = {key for key, row in found.items() if _counts(row) and any(route.wants(row.check) for route in routes.values())}
    present = dict(known)
    for key, row in found.items():
        if key in wanted or (key in present and _counts(row)):
            present[key] = _seen(present.get(key), row, record)
    gone = {key for key, entry in present.items() if _is_gone(key, entry, found.get(key), record)}
    quiet = {key for key, row in found.items() if row.suppressed}
    present = {key: _without_lost_audiences(entry, routes, key in gone) for key, entry in present.items()}
    # What nobody looked at stays as it was told, and so does what is silenced.
    present = {key: entry for key, entry in present.items() if entry.told or key not in gone}
    tidings = {}
    for audience, route in routes.items():
        told = _tidings(route, present, gone, quiet, seen=found.keys(), old=_Old(now, reminder_hours))
        if told.changes:
            tidings[audience] = told
    return Decision(tidings, present, frozenset(present.keys() - gone))


def remembered(decision: Decision, told: Collection[str], *, now: datetime) -> dict[Key, Known]:
    """Return the problems as they are known when these audiences have been told.

    :param told: audiences that were reached; for the others everything stays to be told.
    """
    known = dict(decision.known)
    at = to_iso(now)
    for audience in told:
        for change in decision.tidings[audience].changes:
            entry = known[change.key]
            memory = {name: value for name, value in entry.told.items() if name != audience}
            if change.kind not in (RECOVERED, EASED):
                memory[audience] = Told(change.status, at)
            known[change.key] = replace(entry, told=memory)
    return {key: entry for key, entry in known.items() if entry.told or key in decision.open}


def _found(record: Mapping[str, Any]) -> dict[Key, Row]:
    """Return the worst row of each identity; one that counts is worse than one that is suppressed."""
    found: dict[Key, Row] = {}
    for row in rows(record):  # the worst first
        key = (row.host, row.check["check"], row.check["subject"])
        if key not in found or (found[key].suppressed and not row.suppressed and row.status != OK):
            found[key] = row
    return found


def _counts(row: Row) -> bool:
    return row.status != OK and not row.suppressed


def _seen(entry: Known | None, row: Row, record: Mapping[str, Any]) -> Known:
    playbook = str(record["playbook"])
    if entry is None:
        entry = Known(row.role, (), str(record["ended"]), row.status)
    playbooks = entry.playbooks if playbook in entry.playbooks else (*entry.playbooks, playbook)
    return replace(
        entry, role=row.role, playbooks=playbooks, status=row.status,
        summary=str(row.check["summary"]), hint=str(row.check.get("hint", "")),
    )


def _is_gone(key: Key, entry: Known, row: Row | None, record: Mapping[str, Any]) -> bool:
    """Tell whether a problem was looked for and is no more.

    When the record says nothing of it, only a playbook that saw it can know: the quick look of ``health_check`` looks at
    less than ``daily``. Its role must have run on that host, and whole: another role that finds the same thing good enough
    may have other thresholds.
    """
    if row is not None and (row.status != OK or row.role == entry.role):
        return row.status == OK
    if record["playbook"] not in entry.playbooks:
        return False
    role = record["hosts"].get(key[0], {"roles": {}})["roles"].get(entry.role)
    if role is None:
        # The run itself leaves no entry when it has nothing to say about itself.
        return row is not None or entry.role in (REPORT_ROLE, NOTIFY_ROLE)
    return role["status"] != NOT_RUN and not role["reason"]


def _without_lost_audiences(entry: Known, routes: Mapping[str, Route], gone: bool) -> Known:
    """Forget what was told to those who have no route any more, and to those who want no word when it is over."""
    told = {
        audience: memory for audience, memory in entry.told.items()
        if audience in routes
        and (routes[audience].recovery or not (gone or severity(entry.status) < severity(routes[audience].severity)))
    }
    return entry if len(told) == len(entry.told) else replace(entry, told=told)


class _Old:
    """Which memories are so old that people are to be reminded.

    The interval is shortened by a little: a daily run that starts at the same minute shall find yesterday's old enough. A
    memory from the future dates from a clock that was ahead.
    """

    def __init__(self, now: datetime, hours: float) -> None:
        self._never = hours <= 0
        # Times as to_iso writes them order as text.
        self._before = to_iso(now - timedelta(hours=max(hours - min(0.5, hours / 10), 0)))
        self._after = to_iso(now + timedelta(hours=1))

    def __contains__(self, told: Told) -> bool:
        return not self._never and (told.at <= self._before or told.at > self._after)


def _tidings(
    route: Route, present: Mapping[Key, Known], gone: Collection[Key], quiet: Collection[Key], *,
    seen: Collection[Key], old: _Old,
) -> Tidings:
    changes: list[Change] = []
    same: list[Change] = []
    due = False
    left = 0
    for key, entry in present.items():
        told = entry.told.get(route.audience)
        kind = _kind(key, entry, told, route, key in gone)
        if kind is None or key in quiet and kind != RECOVERED:
            left += told is not None
            continue
        left += kind in (NEW, WORSE, STILL)
        if kind == STILL:
            same.append(_change(kind, key, entry, told))
            due = due or (told is not None and told in old and key in seen)
        else:
            changes.append(_change(kind, key, entry, told))
    if due:
        # One reminder of everything, instead of one for each problem at the hour at which it began.
        changes += same
    changes.sort(key=lambda change: (KINDS.index(change.kind), -severity(change.status), change.key))
    return Tidings(route.audience, tuple(changes), 0 if due else len(same), left)


def _kind(key: Key, entry: Known, told: Told | None, route: Route, gone: bool) -> str | None:
    """Return what a problem is for an audience; None when it is none of its business."""
    if gone:
        return RECOVERED if told else None
    if not route.wants({"check": key[1], "status": entry.status}):
        return EASED if told else None
    if told is None:
        return NEW
    return WORSE if severity(entry.status) > severity(told.status) else STILL


def _change(kind: str, key: Key, entry: Known, told: Told | None) -> Change:
    over = kind == RECOVERED
    return Change(
        kind, *key, status=OK if over else entry.status, was=told.status if told else "", since=entry.since,
        summary=entry.summary, hint="" if over else entry.hint,
    )
