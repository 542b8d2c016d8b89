# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rule and a finding of the security configuration are, and how a platform overrides a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, Value, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: A severity that switches a rule off.
OFF = "off"


class Rule(NamedTuple):
    """One thing that is asked of a host.

    :ivar id: the part, a dot, and a name that stays: ``ssh.permit_root_login``.
    :ivar severity: ``warning`` or ``critical``.
    :ivar why: what may happen otherwise, as the end of a sentence.
    :ivar hint: the next step.
    """

    id: str
    severity: str
    why: str
    hint: str


class Finding(NamedTuple):
    """What a rule says of one subject; becomes one check result.

    :ivar status: ``ok``, ``unknown``, or how bad it is by default.
    """

    rule: str
    subject: str
    status: str
    summary: str
    hint: str = ""
    value: Value = None
    unit: str | None = None
    warning: Value = None
    critical: Value = None
    evidence: dict[str, Any] | None = None

    @property
    def part(self) -> str:
        """The part that the rule belongs to."""
        return self.rule.partition(".")[0]

    @property
    def check(self) -> str:
        """The id of the check."""
        return f"configuration.{self.part}"

    def row(self) -> dict[str, Any]:
        """Return the check result."""
        return check_result(
            self.check, self.subject, self.status, self.summary, value=self.value, unit=self.unit, warning=self.warning,
            critical=self.critical, hint=self.hint or None, evidence=self.evidence,
        )  # fmt: skip


def found(rule: Rule, subject: str, summary: str, **more: Any) -> Finding:
    """Return the finding of a rule that is broken."""
    return Finding(rule.id, subject, rule.severity, summary, **{"hint": rule.hint, **more})


def in_order(rule: Rule, subject: str, summary: str, **more: Any) -> Finding:
    """Return the finding of a rule that is kept."""
    return Finding(rule.id, subject, OK, summary, **more)


def unseen(part: str, subject: str, summary: str, hint: str = "") -> Finding:
    """Return that something could not be looked at; the rule is the part itself."""
    return Finding(part, subject, UNKNOWN, summary, hint)


@dataclass(frozen=True)
class Overrides:
    """What a platform asks instead of the defaults.

    :ivar severities: ``off``, ``warning`` or ``critical`` by the id of a rule.
    :ivar accepted: values that are accepted instead, or algorithms that are not called weak.
    :ivar limits: numbers instead of those of the rules.
    """

    severities: Mapping[str, str] = field(default_factory=dict)
    accepted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)

    def is_off(self, rule: str) -> bool:
        """Tell whether nobody asks for a rule."""
        return self.severities.get(rule) == OFF

    def settled(self, finding: Finding) -> Finding | None:
        """Return the finding as bad as the platform thinks it is, or None when nobody asks for the rule."""
        if self.is_off(finding.rule):
            return None
        given = self.severities.get(finding.rule)
        return finding._replace(status=given) if given and finding.status in (WARNING, CRITICAL) else finding


def read_overrides(given: Sequence[Mapping[str, Any]], known: Mapping[str, Rule], taking: Mapping[str, str]) -> Overrides:
    """Return what is asked instead.

    :param known: every rule by its id.
    :param taking: ``accept`` or ``limit`` by the id of the rules that take one.
    :raises UpkeepError: naming the entry that is not understood, and what is accepted.
    """
    overrides = Overrides({}, {}, {})
    for index, item in enumerate(given):
        rule = str(item["id"]).strip()
        place = f"rules[{index}]"
        if rule not in known:
            raise UpkeepError(f"{place}.id: {plain(rule, 80)!r} is no rule; the page security_configuration.md lists them")
        for name, values in (("accept", overrides.accepted), ("limit", overrides.limits)):
            value = item.get(name)
            if value is None:
                continue
            if taking.get(rule) != name:
                raise UpkeepError(f"{place}.{name}: the rule {rule} takes no {name}")
            values[rule] = tuple(str(text).lower() for text in value) if name == "accept" else value  # type: ignore[index]
        if item.get("severity"):
            overrides.severities[rule] = item["severity"]  # type: ignore[index]
        elif item.get("accept") is None and item.get("limit") is None:
            raise UpkeepError(f"{place} changes nothing; give severity, accept or limit")
    return overrides
