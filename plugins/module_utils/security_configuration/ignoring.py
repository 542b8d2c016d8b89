# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Findings that somebody decided to live with: which, where, why, and until when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import end_of, to_iso

CHECK = "configuration.ignore"


@dataclass(frozen=True)
class Ignore:
    """One decision.

    :ivar rule: the id of a rule, or that of a test of lynis behind ``lynis.``.
    :ivar pattern: glob of the subject; None: every subject.
    :ivar expires: the moment from which it does not count any more.
    """

    place: str
    rule: str
    pattern: str | None
    reason: str
    expires: datetime

    def covers(self, finding: Finding) -> bool:
        """Tell whether it is about this finding."""
        return finding.rule == self.rule and (self.pattern is None or fnmatchcase(finding.subject, self.pattern))

    @property
    def subject(self) -> str:
        """What identifies it to people."""
        return f"{self.rule} in {self.pattern}" if self.pattern else self.rule

    @property
    def part(self) -> str:
        """The part that its rule belongs to."""
        return self.rule.partition(".")[0]


def read_ignores(given: Sequence[Mapping[str, Any]], known: Collection[str]) -> list[Ignore]:
    """Return the decisions.

    :param known: the ids of all rules.
    :raises UpkeepError: naming the one that is not understood, and what is accepted.
    """
    return [_read(item, f"ignore[{index}]", known) for index, item in enumerate(given)]


def _read(item: Mapping[str, Any], place: str, known: Collection[str]) -> Ignore:
    rule, reason = str(item["rule"]).strip(), plain(str(item["reason"]), 300)
    if rule not in known and not (rule.startswith("lynis.") and len(rule) > 6):
        raise UpkeepError(f"{place}.rule: {plain(rule, 80)!r} is no rule; the page security_configuration.md lists them")
    if not reason:
        raise UpkeepError(f"{place}.reason is empty; say why this is no danger here")
    text = str(item["expires"]).strip()
    try:
        expires = end_of(text)
    except ValueError:
        raise UpkeepError(
            f"{place}.expires: {plain(text, 60)!r} is not accepted; give a day such as 2027-01-31 or a time such as 2027-01-31T12:00:00Z"
        ) from None
    return Ignore(place, rule, item.get("subject") or None, reason, expires)


def ignored_row(finding: Finding, ignores: Sequence[Ignore], now: datetime) -> dict[str, Any]:
    """Return the row of a finding, marked as suppressed when somebody decided to live with it.

    What could not be looked at is never suppressed: nobody knows what one would live with.
    """
    row = finding.row()
    if finding.status in (WARNING, CRITICAL):
        for ignore in ignores:
            if now < ignore.expires and ignore.covers(finding):
                row["suppressed"] = {"id": ignore.place, "reason": ignore.reason, "until": to_iso(ignore.expires)}
                break
    return row


def ignore_rows(ignores: Sequence[Ignore], findings: Sequence[Finding], seen: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """Return one row for each decision: expired and unused ones are warnings, since nobody would miss them.

    :param seen: the parts that were looked at to their end; a decision about another one is not judged by this run.
    """
    rows = []
    for ignore in ignores:
        used = sum(finding.status in (WARNING, CRITICAL) and ignore.covers(finding) for finding in findings)
        days, end, subject = round((ignore.expires - now).total_seconds() / 86400, 1), to_iso(ignore.expires), ignore.subject
        if not used:
            if ignore.part in seen:
                text = f"The ignore of {subject} is not used: nothing of this kind was found (reason: {ignore.reason})."
                rows.append(check_result(CHECK, subject, WARNING, text, hint="Remove it from the list of ignores."))
            continue
        if now >= ignore.expires:
            text = f"The ignore of {subject} expired at {end}; what it covered counts again (reason: {ignore.reason})."
            rows.append(check_result(
                CHECK, subject, WARNING, text, value=days, unit="days", warning=0, hint="Mend it, or decide again and give a new end.",
            ))  # fmt: skip
            continue
        text = f"{subject} is ignored until {end} ({used} {'finding' if used == 1 else 'findings'}; reason: {ignore.reason})."
        rows.append(check_result(CHECK, subject, OK, text, value=days, unit="days", warning=0))
    return rows
