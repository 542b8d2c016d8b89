# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Vulnerabilities that somebody decided to live with: which ones, where, why, and until when."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import end_of, to_iso

_ID = re.compile(r"GHSA(?:-[0-9a-z]{4}){3}|\d{1,15}", re.IGNORECASE)


@dataclass(frozen=True)
class Ignore:
    """One decision.

    :ivar advisory: ``GHSA-…`` in lower case, or the number of the advisory.
    :ivar path: glob of the folder of a project, or of the place of a package in it; None: everywhere.
    :ivar expires: the moment from which it does not count any more.
    """

    advisory: str
    path: str | None
    reason: str
    expires: datetime

    def names(self, vulnerability: Mapping[str, Any]) -> bool:
        """Tell whether it is about this advisory, wherever that was found."""
        return self.advisory in (vulnerability["id"].lower(), str(vulnerability["source"]))

    def concerns(self, project: str) -> bool:
        """Tell whether it is about this project, or may be about something in it."""
        return self.path is None or fnmatchcase(project, self.path) or self.path.startswith(f"{project}/")

    def covers(self, project: str, place: str) -> bool:
        """Tell whether it is about a place in a project."""
        return self.path is None or fnmatchcase(project, self.path) or fnmatchcase(f"{project}/{place}", self.path)

    @property
    def subject(self) -> str:
        """What identifies it to people."""
        shown = self.advisory if self.advisory.isdigit() else f"GHSA{self.advisory[4:]}"
        return f"{shown} in {self.path}" if self.path else shown


def read_ignores(given: Sequence[Mapping[str, Any]]) -> list[Ignore]:
    """Return the decisions.

    :raises UpkeepError: naming the one that is not understood, and what is accepted.
    """
    return [_read(item, f"ignore[{index}]") for index, item in enumerate(given)]


def _read(item: Mapping[str, Any], where: str) -> Ignore:
    advisory, path, reason = str(item["id"]).strip(), item.get("path"), str(item["reason"]).strip()
    if not _ID.fullmatch(advisory):
        raise UpkeepError(f"{where}.id: {plain(advisory, 60)!r} is not accepted; give GHSA-xxxx-xxxx-xxxx or the number of npm.")
    if path is not None and not path.startswith("/"):
        raise UpkeepError(f"{where}.path: {plain(path, 100)!r} is not accepted; give an absolute path, wildcards allowed.")
    if not reason:
        raise UpkeepError(f"{where}.reason is empty; say why the advisory is no danger here.")
    path = path.rstrip("/") if path else None
    return Ignore(advisory.lower(), path, plain(reason, 300), _moment(str(item["expires"]).strip(), f"{where}.expires"))


def _moment(text: str, where: str) -> datetime:
    """Return when an ignore ends; one with a day alone lasts to the end of that day, UTC."""
    try:
        return end_of(text)
    except ValueError:
        raise UpkeepError(
            f"{where}: {plain(text, 60)!r} is not accepted; give a day such as 2027-01-31 or a time such as 2027-01-31T12:00:00Z."
        ) from None


def divide(
    project: str, vulnerabilities: Sequence[dict[str, Any]], ignores: Collection[Ignore], now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the vulnerabilities of a project that count, and those that are ignored, with reason and end.

    One that lies in several places is ignored when each of them is covered.
    """
    counting, ignored = [], []
    for row in vulnerabilities:
        valid = [ignore for ignore in ignores if now < ignore.expires and ignore.names(row)]
        places = row["paths"] or [""]
        covering = [next((one for one in valid if one.covers(project, place)), None) for place in places]
        reasons = [one for one in covering if one is not None]
        if len(reasons) == len(places):
            end = min(one.expires for one in reasons)
            ignored.append({**row, "reason": reasons[0].reason, "expires": to_iso(end)})
        else:
            counting.append(row)
    return counting, ignored


def ignore_checks(
    ignores: Sequence[Ignore], found: Mapping[str, Sequence[Mapping[str, Any]] | None], now: datetime
) -> list[dict[str, Any]]:
    """Return one check for each decision: expired and unused ones are warnings, since nobody would miss them.

    :param found: the vulnerabilities of each project, None where nobody could look.
    """
    return [_check(ignore, found, now) for ignore in dict.fromkeys(ignores)]


def _check(ignore: Ignore, found: Mapping[str, Sequence[Mapping[str, Any]] | None], now: datetime) -> dict[str, Any]:
    scope = {project: rows for project, rows in found.items() if ignore.concerns(project)}
    used = [
        project
        for project, rows in scope.items()
        if any(ignore.names(row) and any(ignore.covers(project, place) for place in row["paths"] or [""]) for row in rows or ())
    ]
    subject, reason = ignore.subject, f"(reason: {ignore.reason})"
    unseen = [project for project, rows in scope.items() if rows is None]
    if not used and unseen:
        text = f"Nobody could see whether the ignore of {subject} is still needed: {unseen[0]} was not audited."
        return check_result("dependency.ignore", subject, UNKNOWN, text, hint="Mend the audit of the project first.")
    if not used:
        where = "no project has this vulnerability there" if scope else "none of the projects of this host is there"
        text = f"The ignore of {subject} is not used: {where} {reason}."
        return check_result("dependency.ignore", subject, WARNING, text, hint="Remove it from the list of ignores.")
    days = round((ignore.expires - now).total_seconds() / 86400, 1)
    end = to_iso(ignore.expires)
    if now >= ignore.expires:
        text = f"The ignore of {subject} expired at {end}; the vulnerability counts again {reason}."
        hint = "Update the dependency, or decide again and give a new end."
        return check_result("dependency.ignore", subject, WARNING, text, value=days, unit="days", warning=0, hint=hint)
    text = f"{subject} is ignored until {end} in {len(used)} projects {reason}."
    return check_result("dependency.ignore", subject, OK, text, value=days, unit="days", warning=0)
