"""Rules that a platform means otherwise, and findings that somebody decided to live with."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.all_rules import RULES, TAKING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ignoring import ignore_rows, ignored_row, read_ignores
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding, found, in_order, read_overrides, unseen

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)
X11 = RULES["ssh.x11_forwarding"]


def ignore(**given: Any) -> dict[str, Any]:
    return {"rule": X11.id, "subject": None, "reason": "the drawing office", "expires": "2026-12-31", **given}


def rows(findings: list[Finding], *ignores: dict[str, Any], seen: tuple[str, ...] = ("ssh",)) -> list[dict[str, Any]]:
    read = read_ignores(ignores, RULES)
    return [*(ignored_row(finding, read, NOW) for finding in findings), *ignore_rows(read, findings, seen, NOW)]


def test_every_rule_has_an_id_of_its_own_a_reason_and_a_next_step() -> None:
    for name, rule in RULES.items():
        assert name == rule.id and "." in name and rule.severity in ("warning", "critical")
        assert rule.why and rule.hint and not rule.why.endswith(".")
    assert set(TAKING) <= set(RULES)


def test_a_rule_can_be_meant_otherwise() -> None:
    overrides = read_overrides(
        [{"id": X11.id, "severity": "critical"}, {"id": "ssh.ciphers", "accept": ["AES128-CBC"]}, {"id": "ssh.max_auth_tries", "limit": 3},
         {"id": "ssh.log_level", "severity": "off"}], RULES, TAKING,
    )  # fmt: skip
    assert overrides.settled(found(X11, "s", "t")) == found(X11, "s", "t")._replace(status="critical")
    assert overrides.settled(in_order(X11, "s", "t")) == in_order(X11, "s", "t"), "what is kept is not made worse"
    assert overrides.settled(in_order(RULES["ssh.log_level"], "s", "t")) is None
    assert overrides.settled(unseen("ssh", "s", "t")) == unseen("ssh", "s", "t")
    assert (overrides.accepted, overrides.limits) == ({"ssh.ciphers": ("aes128-cbc",)}, {"ssh.max_auth_tries": 3})


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"id": "ssh.x11"}, "rules[0].id: 'ssh.x11' is no rule"),
        ({"id": "ssh.x11_forwarding"}, "rules[0] changes nothing"),
        ({"id": "ssh.x11_forwarding", "limit": 3}, "the rule ssh.x11_forwarding takes no limit"),
        ({"id": "ssh.max_auth_tries", "accept": ["3"]}, "the rule ssh.max_auth_tries takes no accept"),
        ({"id": "secrets.group", "accept": ["3"]}, "the rule secrets.group takes no accept"),
    ],
)
def test_a_wrong_rule_is_refused_in_words(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as refused:
        read_overrides([rule], RULES, TAKING)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rule": "ssh.x11"}, "ignore[0].rule: 'ssh.x11' is no rule"),
        ({"rule": "lynis."}, "is no rule"),
        ({"reason": " "}, "ignore[0].reason is empty"),
        ({"expires": "soon"}, "ignore[0].expires: 'soon' is not accepted"),
        ({"expires": "9999-12-31T00:00:00"}, "is not accepted"),
    ],
)
def test_a_wrong_ignore_is_refused_in_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as refused:
        read_ignores([ignore(**given)], RULES)
    assert said in refused.value.message


def test_what_is_ignored_stays_in_the_result_and_does_not_count() -> None:
    finding, decided = rows([found(X11, "X11Forwarding", "It is yes.")], ignore())
    assert finding["suppressed"] == {"id": "ignore[0]", "reason": "the drawing office", "until": "2027-01-01T00:00:00Z"}
    assert finding["status"] == "warning" and decided["status"] == "ok" and decided["value"] == 33.5
    assert worst_of([finding, decided]) == "ok"


def test_an_ignore_covers_the_subjects_that_it_names_only() -> None:
    findings = [found(X11, "X11Forwarding", "a"), found(X11, "X11Forwarding (Match User bob)", "b")]
    first, second, decided = rows(findings, ignore(subject="*bob*"))
    assert "suppressed" not in first and "suppressed" in second and decided["status"] == "ok"


def test_one_that_expired_counts_again_and_says_so() -> None:
    finding, decided = rows([found(X11, "X11Forwarding", "a")], ignore(expires="2026-11-27"))
    assert "suppressed" not in finding
    assert (decided["status"], decided["value"]) == ("warning", -0.5) and "expired at 2026-11-28T00:00:00Z" in decided["summary"]


def test_one_that_is_not_used_says_so_unless_nobody_looked() -> None:
    (_kept, unused) = rows([in_order(X11, "X11Forwarding", "a")], ignore())
    assert (unused["check"], unused["status"]) == ("configuration.ignore", "warning") and "is not used" in unused["summary"]
    assert rows([], ignore(), seen=()) == []


def test_what_nobody_could_look_at_is_never_ignored() -> None:
    unknown = Finding(X11.id, "X11Forwarding", "unknown", "Not seen.")
    (row,) = rows([unknown], ignore(), seen=())
    assert "suppressed" not in row


def test_warnings_of_lynis_can_be_ignored_by_their_test() -> None:
    finding, _decided = rows([Finding("lynis.AUTH-9282", "lynis AUTH-9282", "warning", "w")], ignore(rule="lynis.AUTH-9282"), seen=("lynis",))
    assert "suppressed" in finding
