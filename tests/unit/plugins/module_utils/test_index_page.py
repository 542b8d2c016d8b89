"""The page of past runs."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.content_security import csp_hash
from ansible_collections.upkeep.runbook.plugins.module_utils.index_page import index_page


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "run_id": "20261122T050000Z-1a2b3c4d", "platform": "P", "playbook": "daily", "check_mode": False,
        "started": "2026-11-22T05:00:00Z", "ended": "2026-11-22T05:00:12Z", "status": "ok", "health": "HEALTHY", "hosts": 1,
        "counts": {"ok": 3, "warning": 0, "unknown": 0, "critical": 1}, **changes,
    }


def test_what_a_row_says() -> None:
    page = index_page([entry()])
    assert 'href="runs/20261122T050000Z-1a2b3c4d/report.html"' in page
    assert "2026-11-22 05:00:12 UTC" in page and "1 critical, 3 ok" in page and "12 s" in page
    assert "Platform" not in page
    assert "Platform" in index_page([entry(), entry(platform="Q")])


def test_text_is_text_and_the_policy_allows_exactly_the_style() -> None:
    page = index_page([entry(platform="<script>alert(1)</script>", playbook='"><img src=x>'), entry(damaged="<b>")])
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style and csp_hash(style.group(1)) in page
    assert "unsafe" not in page and "style=" not in page.replace("style-src", "")


def test_no_run_at_all() -> None:
    assert "There is none." in index_page([])
