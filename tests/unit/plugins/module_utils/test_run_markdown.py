"""Markdown in which text of targets does nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.run_markdown import escape, markdown

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "a | b | c",
    "`code` and ``more``",
    "**bold** _it_ ~~gone~~",
    "line\n\n# heading\n\n| a | b |",
    "http://evil.example and www.evil.example",
    "<http://evil.example>",
    "@everyone mail me@evil.example",
    "&lt;b&gt; &#60;",
    "[ref]: http://evil.example",
    "{{ 7*7 }} {% raw %}",
    "\\| trailing backslash \\",
]


def record(checks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": 1, "run_id": "20261122T050000Z-1a2b3c4d", "platform": "P <b>", "playbook": "daily", "check_mode": True,
        "started": "2026-11-22T05:00:00Z", "ended": "2026-11-22T05:00:12Z", "status": "ok", "health": "HEALTHY",
        "hosts": {"web": {"reachable": True, "roles": {"platform": {"status": "ok", "reason": "", "checks": checks}}}},
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_target_is_markup(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped
    unescaped = re.sub(r"\\.|<!-- -->|&(?:amp|lt);", "", escaped)
    assert not re.search(r"[<>|`*_\[\]()!#~:{}\\=+]", unescaped), escaped
    assert not re.search(r"@(?!<!-- -->)", escaped)
    assert not re.search(r"www(?!<!-- -->)\\?\.", escaped)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_keeps_its_columns(text: str) -> None:
    page = markdown(record([check_result("a.b", text, "critical", text, hint=text), check_result("a.b", text, "ok", text)]))
    for line in page.splitlines():
        if line.startswith("|"):
            columns = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) - 1
            assert columns in (6, 4), line


def test_sections() -> None:
    page = markdown(record([check_result("a.b", "x", "ok", "Fine.")]))
    assert re.findall(r"^#+ .*$", page, re.MULTILINE) == ["# P &lt;b\\>: HEALTHY", "## Problems", "## Fine"]
    assert "None." in page and "in check mode" in page
