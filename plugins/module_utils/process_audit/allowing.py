# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Findings that somebody decided to live with: which, why, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.rules import RULE_IDS
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.snapshot import Seen
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import user_name
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import end_of, to_iso


@dataclass(frozen=True)
class Allowance:
    """One decision.

    :ivar rule: the id of a rule.
    :ivar executable: glob of what runs; None: any.
    :ivar command: glob of the whole command line; None: any.
    :ivar user: name or number; None: any.
    :ivar expires: from then on it does not count; None: never.
    """

    place: str
    rule: str
    executable: str | None
    command: str | None
    user: str | None
    reason: str
    expires: datetime | None

    def covers(self, rule: str, process: Seen) -> bool:
        """Tell whether it is about this finding."""
        return (
            rule == self.rule
            and (self.executable is None or fnmatchcase(process.executable or "", self.executable))
            and (self.command is None or fnmatchcase(" ".join(process.argv), self.command))
            and (self.user is None or self.user in (user_name(process.effective_uid), str(process.effective_uid)))
        )

    def expired(self, now: datetime) -> bool:
        """Tell whether it does not count any more."""
        return self.expires is not None and self.expires <= now

    @property
    def subject(self) -> str:
        """What identifies it to people."""
        parts = (("executable", self.executable), ("command", self.command), ("user", self.user))
        return f"{self.rule}: " + ", ".join(f"{name} {value}" for name, value in parts if value is not None)

    @property
    def suppression(self) -> dict[str, Any]:
        """What a check result says of it."""
        return {"id": self.place, "reason": self.reason, "until": to_iso(self.expires) if self.expires else None}


def read_allowances(given: Sequence[Mapping[str, Any]]) -> list[Allowance]:
    """Return the decisions.

    :raises UpkeepError: naming the one that is not understood, and what is accepted.
    """
    return [_read(item, f"allow[{index}]") for index, item in enumerate(given)]


def _read(item: Mapping[str, Any], place: str) -> Allowance:
    rule, reason = str(item["rule"]), plain(str(item["reason"]), 300)
    if rule not in RULE_IDS:
        raise UpkeepError(f"{place}.rule: {plain(rule, 60)!r} is no rule; give one of {', '.join(RULE_IDS)}")
    if not reason:
        raise UpkeepError(f"{place}.reason is empty; say why this is no danger here")
    if all(item.get(name) is None for name in ("executable", "command", "user")):
        raise UpkeepError(f"{place} covers everything; give executable, command or user")
    return Allowance(
        place, rule, item.get("executable"), item.get("command"), item.get("user"), reason, _moment(item.get("expires"), place)
    )


def _moment(text: str | None, place: str) -> datetime | None:
    """Return when it ends; a day alone lasts to its end, UTC."""
    if text is None:
        return None
    try:
        return end_of(text)
    except ValueError:
        raise UpkeepError(f"{place}.expires: {plain(text, 60)!r} is no day such as 2026-12-31 and no time with its zone") from None
