"""The whole call, with real probes and a real history."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.examination import examine, uptime_by_name

NOW = datetime(2026, 11, 22, 6, 0, 0, tzinfo=timezone.utc)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def call(*probes, **params):
    defaults = {"secret_headers": {}, "wait_seconds": 0.0, "concurrency": 32, "history": None, "return_all": False}
    return {"probes": list(probes), **defaults, **params}


def test_the_result_has_one_row_for_each_probe_and_one_check_for_each_problem(answering, free_port):
    port = answering(OK)
    result = examine(
        call(
            {"type": "http", "name": "a", "url": f"http://127.0.0.1:{port}/a"},
            {"type": "http", "name": "b", "url": f"http://127.0.0.1:{port}/b"},
            {"type": "tcp", "name": "a", "host": "127.0.0.1", "port": free_port},
        ),
        now=NOW,
        check_mode=False,
    )
    assert (result["changed"], result["status"]) == (False, "critical")
    assert [(row["type"], row["name"], row["status"]) for row in result["probes"]] == [
        ("http", "a", "ok"),
        ("http", "b", "ok"),
        ("tcp", "a", "critical"),
    ]
    assert [(check["check"], check["subject"], check.get("folded")) for check in result["checks"]] == [
        ("service.tcp", "a", None),
        ("service.http", "2 subjects", 2),
    ]
    assert json.loads(json.dumps(result)) == result


def test_every_subject_is_returned_when_asked_for(answering):
    port = answering(OK)
    probes = [{"type": "http", "name": name, "url": f"http://127.0.0.1:{port}/"} for name in "abc"]
    result = examine(call(*probes, return_all=True), now=NOW, check_mode=False)
    assert [check["subject"] for check in result["checks"]] == ["a", "b", "c"]
    assert result["checks"][0]["unit"] == "s"
    assert 0 < result["checks"][0]["value"] < 5


def test_the_history_adds_series_and_uptime_and_is_not_written_in_check_mode(answering, tmp_path):
    path = tmp_path / "state" / "history.sqlite"
    params = call({"type": "http", "name": "a", "url": f"http://127.0.0.1:{answering(OK)}/"}, history=str(path))
    result = examine(params, now=NOW, check_mode=True)
    assert result["series"] == []
    assert not path.exists()
    result = examine(params, now=NOW, check_mode=False)
    assert [entry["name"] for entry in result["series"]] == ["http a"]
    assert result["uptime"] == {"a": {"1d": 100.0, "7d": 100.0, "30d": 100.0}}
    assert result["probes"][0]["uptime"] == result["uptime"]["a"]


def test_hostile_names_and_answers_are_plain_in_the_result(answering):
    port = answering(b"\x1b]0;owned\x07<script>\xff\n")
    result = examine(
        call({"type": "http", "name": "a\x1b[31m", "url": f"http://127.0.0.1:{port}/"}), now=NOW, check_mode=False
    )
    text = json.dumps(result, ensure_ascii=False)
    assert "\x1b" not in text and "\x07" not in text and "\\u001b" not in text
    assert result["status"] == "critical"


def test_a_name_is_as_up_as_the_worst_of_its_probes():
    shares = {
        ("http", "a"): {"1d": 90.0, "7d": None},
        ("unit", "a"): {"1d": 100.0, "7d": 50.0},
        ("unit", "b"): {"1d": None, "7d": None},
    }
    assert uptime_by_name(shares) == {"a": {"1d": 90.0, "7d": 50.0}, "b": {"1d": None, "7d": None}}
