"""The page of the security configuration lists every rule, as bad as it is and with its reason."""

from __future__ import annotations

import re

from checkout import CHECKOUT

from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.all_rules import RULES


def test_the_page_lists_every_rule_with_its_severity_and_reason() -> None:
    page = (CHECKOUT / "docs" / "security_configuration.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z0-9_.]+)` \| (.+) \| (warning|critical) \| (.+) \|$", page, re.MULTILINE)
    assert {rule: (severity, why) for rule, _asked, severity, why in listed} == {rule.id: (rule.severity, rule.why) for rule in RULES.values()}
    assert len(listed) == len(RULES), "no rule twice"
