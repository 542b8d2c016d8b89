# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a message says, as plain values; the media lay it out. Pure.

Every line of it is printable and bounded; each medium escapes it once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.changes import (
    EASED,
    KINDS,
    NEW,
    RECOVERED,
    STILL,
    WORSE,
    Change,
    Tidings,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import counts_sentence
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: More changes than this are counted: a message is read on a telephone, the report has them all.
MAX_CHANGES = 20
_MAX_LINE = 500
_MAX_TITLE = 180

_HEADINGS = {NEW: "New", WORSE: "Worse", STILL: "Still there", EASED: "Better", RECOVERED: "Recovered"}
_IN_TITLE = {NEW: "new", WORSE: "worse", STILL: "still there", EASED: "better", RECOVERED: "recovered"}


@dataclass(frozen=True)
class Section:
    """A heading and its entries, each a first line and the lines below it."""

    heading: str
    entries: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Message:
    """A message to people.

    :ivar status: the worst status of what it tells, for media that show one.
    :ivar facts: what the run was, where its report is.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    facts: tuple[str, ...]
    status: str
    run_id: str
    platform: str


def compose(
    record: Mapping[str, Any], tidings: Sequence[Tidings], *, report: str, failures: Mapping[str, str]
) -> Message:
    """Return the message about what these audiences are to be told; what several of them are told stands there once.

    :param report: where the report is, or why there is none.
    :param failures: channels that failed before this one was tried, by label.
    """
    changes = _merged(tidings)
    numbers = [(kind, sum(change.kind == kind for change in changes)) for kind in KINDS]
    counted = ", ".join(f"{number} {_IN_TITLE[kind]}" for kind, number in numbers if number)
    unchanged = max((told.unchanged for told in tidings), default=0)
    # What is over for one audience may be what another one still works on.
    all_clear = record["status"] == OK and not any(told.open for told in tidings)
    sections = list(_sections(changes))
    if failures:
        lines = tuple((plain(f"{label}: {reason}", _MAX_LINE),) for label, reason in sorted(failures.items()))
        sections.append(Section("Channels that failed", lines))
    facts = [f"Run {record['run_id']} of {record['playbook']}, ended {record['ended']}."]
    if unchanged:
        facts.insert(0, f"{unchanged} more known problem{'' if unchanged == 1 else 's'}, unchanged.")
    if report:
        facts.append(plain(report, _MAX_LINE))
    clear = "all clear, " if all_clear else ""
    return Message(
        title=plain(f"{record['platform']} is {record['health']}: {clear}{counted}", _MAX_TITLE),
        lead=plain(f"{record['platform']} is {record['health']} ({record['playbook']}: {counts_sentence(record)}).", _MAX_LINE),
        sections=tuple(sections),
        facts=tuple(facts),
        status=record["status"],
        run_id=record["run_id"],
        platform=record["platform"],
    )


def test_message(platform: str, *, run_id: str, at: str, contact: str, channel: str) -> Message:
    """Return the message with which a channel is tried."""
    return Message(
        title=plain(f"{platform}: test of the notifications", _MAX_TITLE),
        lead=f"This is a test. Nothing is wrong, and nothing has to be done: {channel} of {contact} works.",
        sections=(),
        facts=(f"Sent by upkeep.runbook.notify_test at {at}.",),
        status="ok",
        run_id=run_id,
        platform=platform,
    )


def plain_text(message: Message) -> str:
    """Return a message as plain text of short lines."""
    blocks = [message.lead]
    for section in message.sections:
        lines = [section.heading.upper()]
        for first, *others in section.entries:
            lines += [f"- {first}", *(f"  {line}" for line in others)]
        blocks.append("\n".join(lines))
    blocks.append("\n".join(message.facts))
    return "\n\n".join(blocks) + "\n"


def _merged(tidings: Iterable[Tidings]) -> list[Change]:
    """Return every change once, the graver kind of two; worst first within a kind."""
    by_key: dict[tuple[str, str, str], Change] = {}
    for told in tidings:
        for change in told.changes:
            other = by_key.get(change.key)
            if other is None or KINDS.index(change.kind) < KINDS.index(other.kind):
                by_key[change.key] = change
    order = {change: number for number, change in enumerate(change for told in tidings for change in told.changes)}
    return sorted(by_key.values(), key=lambda change: (KINDS.index(change.kind), order[change]))


def _sections(changes: Sequence[Change]) -> Iterable[Section]:
    shown = changes[:MAX_CHANGES]
    for kind in KINDS:
        entries = tuple(_entry(change) for change in shown if change.kind == kind)
        if entries:
            yield Section(_HEADINGS[kind], entries)
    if len(changes) > len(shown):
        yield Section("And", ((f"{len(changes) - len(shown)} more; the report lists them.",),))


def _entry(change: Change) -> tuple[str, ...]:
    where = f"{change.host} {change.check} {change.subject}"
    if change.kind == RECOVERED:
        return (plain(f"{where} is fine again (was {change.was}, since {change.since})", _MAX_LINE),)
    first = f"{change.status.upper()} {where}"
    if change.kind in (WORSE, EASED):
        first += f" (was {change.was})"
    if change.kind != NEW:
        first += f", since {change.since}"
    lines = [plain(first, _MAX_LINE), plain(change.summary, _MAX_LINE)]
    if change.hint:
        lines.append(f"Next: {plain(change.hint, _MAX_LINE)}")
    return tuple(lines)
