"""One call: parts, order, bounds, and each problem once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration import inspection
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.all_rules import RULES
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding, found, in_order, unseen
from ansible_collections.upkeep.runbook.plugins.modules.security_configuration import argument_spec

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)
OTHERS, GROUP = RULES["secrets.others"], RULES["secrets.group"]


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return what inspects with findings instead of parts."""

    def run(findings: dict[str, list[Finding]], **options: Any) -> dict[str, Any]:
        for part, given in findings.items():
            monkeypatch.setitem(inspection._PARTS, part, lambda _options, given=given: (given, {"looked": True}))
        defaults = {name: option.get("default") for name, option in argument_spec().items()}
        params = {**defaults, "parts": list(findings), **options}
        return inspection.inspect_configuration(params, now=NOW, check_mode=False)

    return run


def test_each_subject_of_a_check_is_one_row_and_the_worst_one(inspect: Callable[..., dict[str, Any]]) -> None:
    answer = inspect({"secrets": [in_order(OTHERS, "/a", "ok."), found(GROUP, "/a", "group."), found(OTHERS, "/a", "others."), found(GROUP, "/a", "again.")]})
    assert [(row["subject"], row["status"], row["summary"]) for row in answer["checks"]] == [("/a", "critical", "others.")]


def test_a_flood_of_findings_is_bounded_and_counted(inspect: Callable[..., dict[str, Any]]) -> None:
    answer = inspect({"secrets": [found(OTHERS, f"/{number}", "x" * 10_000) for number in range(5000)], "kernel": [unseen("kernel", "k", "Not seen.")]})
    rows = answer["checks"]
    assert len(rows) == inspection.MAX_ROWS + 2 and len(answer["findings"]) == inspection.MAX_FINDINGS
    (rest,) = [row for row in rows if row["subject"] == "further findings"]
    assert (rest["status"], rest["value"]) == ("critical", 4800)
    assert [row["check"] for row in rows if row["status"] == "unknown"] == ["configuration.kernel"]


def test_parts_have_figures_and_the_whole_is_as_bad_as_its_worst(inspect: Callable[..., dict[str, Any]]) -> None:
    answer = inspect({"secrets": [found(GROUP, "/a", "group.")], "kernel": [in_order(RULES["kernel.kernel.kptr_restrict"], "k", "ok.")]})
    assert answer["status"] == "warning" and answer["parts"] == {"secrets": {"looked": True}, "kernel": {"looked": True}}
    assert [one["rule"] for one in answer["findings"]] == ["secrets.group"]


def test_nothing_to_look_at_is_said(inspect: Callable[..., dict[str, Any]]) -> None:
    (row,) = inspect({"nginx": [], "lynis": []})["checks"]
    assert (row["check"], row["status"]) == ("configuration.parts", "ok") and "nginx, lynis" in row["summary"]


def test_an_ignore_for_a_part_that_could_not_be_seen_is_not_called_unused(inspect: Callable[..., dict[str, Any]]) -> None:
    ignore = [{"rule": "secrets.group", "subject": None, "reason": "r", "expires": "2027-01-01"}]
    blind = inspect({"secrets": [unseen("secrets", "/a", "Not seen.")]}, ignore=ignore)
    assert [row["check"] for row in blind["checks"]] == ["configuration.secrets"]
    seen = inspect({"secrets": [in_order(GROUP, "/a", "ok.")]}, ignore=ignore)
    assert [row["check"] for row in seen["checks"] if row["status"] == "warning"] == ["configuration.ignore"]
