"""Requests to log in: which they are, how many were refused, and whose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs import blocks, busiest, group_counting, tally
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.login_routes import AUTH_ROUTES, login_pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.routes import OTHER_LOGINS
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import NOW, check, inspect, line


def attempts(number: int, status: int = 401, path: str = "/api/login", method: str = "POST", **fields: Any) -> list[str]:
    return [line(request=f"{method} {path} HTTP/1.1", status=status, **fields)] * number


def run(folder: Path, *lines: str, **options: Any) -> dict[str, Any]:
    (folder / "a.log").write_text("".join(lines))
    os.utime(folder / "a.log", (NOW.timestamp(), NOW.timestamp()))
    return inspect(paths=[str(folder / "a.log")], **options)


def logins_of(result: dict[str, Any]) -> dict[str, Any]:
    return dict(result["groups"][0]["logins"])


@pytest.mark.parametrize(
    ("route", "is_login"),
    [
        ("POST /login", True), ("PUT /api/v2/login", True), ("POST /login.php", True), ("POST /login/otp", True), ("POST /wp-login.php", True),
        ("POST /oauth/token", True), ("POST /users/sign_in", True), ("POST /api/auth/callback/credentials", True), ("ANY /login", True),
        ("GET /login", False), ("HEAD /login", False), ("OPTIONS /api/login", False), ("POST /loginhelp", False), ("POST /blog/login-tips", False),
        ("POST /api/auth/refresh", False), ("GET /api/auth/session", False), ("(no HTTP request)", False), ("-", False), ("post /login", False),
    ],
)  # fmt: skip
def test_usual_routes_are_known(route: str, is_login: bool) -> None:
    pattern = login_pattern(AUTH_ROUTES, "auth_routes")
    assert pattern is not None and (pattern.fullmatch(route) is not None) == is_login


def test_a_pattern_may_name_its_method_and_no_pattern_is_no_check(tmp_path: Path) -> None:
    pattern = login_pattern(["GET /admin/*", "/in"], "auth_routes")
    assert pattern is not None
    matching = [route for route in ("GET /admin/a", "POST /admin/a", "POST /in", "GET /in", "GETS /admin/a") if pattern.fullmatch(route)]
    assert matching == ["GET /admin/a", "POST /in"]
    assert login_pattern([], "auth_routes") is None
    result = run(tmp_path, *attempts(100), auth_routes=[])
    assert "access.logins" not in {row["check"] for row in result["checks"]}
    assert logins_of(result)["requests"] == 0


@pytest.mark.parametrize("wrong", ["login", "", "post /login", "POST", "/a b", "POST  /a", "/" + "a" * 200, "/a\n"])
def test_what_is_no_pattern_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(UpkeepError, match=r"^groups\[0\].auth_routes: .* is not accepted; give the pattern of a path"):
        inspect(groups=[{"paths": ["/a"], "auth_routes": ["/ok", wrong]}])


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(UpkeepError, match="101 are not accepted"):
        login_pattern(["/a"] * 101, "auth_routes")


def test_figures_are_those_of_counting_by_hand(tmp_path: Path) -> None:
    lines = attempts(30, client="198.51.100.1") + attempts(10, 403, client="198.51.100.2") + attempts(5, 429, "/login", client="198.51.100.2")
    lines += attempts(40, 200) + attempts(10, 302, "/login") + attempts(3, 500) + attempts(2, 400)
    lines += attempts(60, 401, "/api/orders") + attempts(70, 401, "/login", "GET") + attempts(80, 200, "/login", "GET")
    assert logins_of(run(tmp_path, *lines)) == {
        "requests": 100, "refused": 45, "refused_percent": 45.0, "succeeded": 50, "statuses": {"401": 30, "403": 10, "429": 5},
        "routes": [
            {"route": "POST /api/login", "requests": 85, "refused": 40},
            {"route": "POST /login", "requests": 15, "refused": 5},
        ],
        "clients": [{"client": "198.51.100.1", "refused": 30}, {"client": "198.51.100.2", "refused": 15}],
        "different_clients": 2, "clients_missing_at_most": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("refused", "given", "status"),
    [
        (100, {}, "warning"), (99, {}, "ok"), (900, {}, "critical"), (899, {}, "warning"),
        (100, {"logins_min_refused": 100}, "warning"), (100, {"logins_min_refused": 101}, "ok"),
        (100, {"logins_warning_percent": 0.0}, "ok"), (900, {"logins_critical_percent": 0.0}, "warning"),
    ],
    ids=str,
)  # fmt: skip
def test_the_share_is_judged_from_a_number_on(tmp_path: Path, refused: int, given: dict[str, Any], status: str) -> None:
    """Of 100 or 900 refused the share is 50 or 90 percent."""
    lines = [text for number in range(refused) for text in attempts(1, client=f"10.0.{number % 100}.{number % 7}")]
    row = check(run(tmp_path, *lines, *attempts(100, 200), **given), "access.logins")
    assert row["status"] == status
    if status != "ok":
        assert "Many clients" in row["hint"] and len(row["evidence"]["clients"]) == 10
    if refused < given.get("logins_min_refused", 0):
        assert "fewer than 101 are too few to judge their share" in row["summary"]


@pytest.mark.parametrize(
    ("given", "status"),
    [({}, "warning"), ({"logins_client_warning": 51}, "ok"), ({"logins_client_critical": 50}, "critical"), ({"logins_client_warning": 0}, "ok")],
    ids=str,
)
def test_one_client_with_very_many_is_judged_apart(tmp_path: Path, given: dict[str, Any], status: str) -> None:
    lines = attempts(50, client="198.51.100.9") + attempts(20, client="198.51.100.8") + attempts(1000, 200)
    row = check(run(tmp_path, *lines, **given), "access.logins")
    assert row["status"] == status
    assert "6.54 % of 1070 requests to log in at" in row["summary"] and "50 of 70 from 198.51.100.9" in row["summary"]
    if status != "ok":
        assert row["hint"].startswith("Somebody tries passwords") and row["evidence"]["clients"][0] == {"client": "198.51.100.9", "refused": 50}


def test_where_nobody_logs_in_it_says_so(tmp_path: Path) -> None:
    row = check(run(tmp_path, line() * 200), "access.logins")
    assert (row["status"], row["value"]) == ("ok", None) and "No request of" in row["summary"] and "auth_routes" in row["summary"]


def test_a_log_without_requests_is_as_unknown_as_it_is(tmp_path: Path) -> None:
    assert check(run(tmp_path, line(NOW.replace(year=2025))), "access.logins")["status"] == "unknown"


def test_the_client_is_whom_a_trusted_proxy_names_and_groups_have_routes_of_their_own(tmp_path: Path) -> None:
    log_format = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent "-" "$http_user_agent" "$http_x_forwarded_for"'
    lines = [line(client="10.0.0.1", request="POST /in/7 HTTP/1.1", status=401, more=f' "203.0.113.{number % 3}"') for number in range(60)]
    (tmp_path / "a.log").write_text("".join(lines))
    shared = {"paths": [str(tmp_path / "a.log")], "format": log_format, "trusted_proxies": ["10.0.0.0/8"]}
    result = inspect(groups=[{"name": "in", "auth_routes": ["/in/*"], **shared}, {"name": "usual", **shared}], return_all=True)
    ours, usual = (group["logins"] for group in result["groups"])
    assert ours["clients"][0] == {"client": "203.0.113.0", "refused": 20} and ours["routes"][0]["route"] == "POST /in/:number"
    assert usual["requests"] == 0


def test_rare_routes_of_logins_stay_apart_however_often_routes_are_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_KEPT_ROUTES", 2)
    found = tally.Tally(login_pattern(AUTH_ROUTES, "auth_routes"))
    for turn in range(3):
        routes = [f"GET /{turn}{letter}" for letter in "abcde" for _number in range(50)] + ["POST /a/login", "POST /b/login"]
        found.note_requests(routes, [1] * len(routes), unusual=[("POST /a/login", "401")])
        found.settle()
    assert found.routes[OTHER_LOGINS] == {"401": 3, "200": 3} and sum(found.latency[OTHER_LOGINS].values()) == 6


@pytest.mark.parametrize("processes", [1, 2])
def test_very_many_routes_and_clients_lose_no_attempt(processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes of logins that are too rare to be kept become one of their own, and not one with all others."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5_000)
    monkeypatch.setattr(group_counting, "_PART_BYTES", (50_000, 50_000))
    monkeypatch.setattr(group_counting, "_WORTH_SHARING_BYTES", 0)
    monkeypatch.setattr(group_counting.count_group, "__kwdefaults__", {"share_above": 0})
    monkeypatch.setattr(tally, "_KEPT_ROUTES", 10)
    monkeypatch.setattr(tally, "_MAX_FIGURES", 40)
    monkeypatch.setattr(busiest.Busiest.__init__, "__defaults__", (20, 0))
    letters = str.maketrans("0123456789", "abcdefghij")
    lines = []
    for number in range(1500):
        name = f"{number}".translate(letters)
        lines.append(line(request=f"GET /{name} HTTP/1.1"))
        lines.append(line(request=f"POST /{name}/login HTTP/1.1", status=401 if number % 3 else 200, client=f"10.0.{number // 250}.{number % 250}"))
        lines.append(line(request="GET / HTTP/1.1"))
    found = logins_of(run(tmp_path, *lines, processes=processes))
    assert (found["requests"], found["refused"], found["succeeded"]) == (1500, 1000, 500)
    assert OTHER_LOGINS in [row["route"] for row in found["routes"]]
    assert found["different_clients"] == 1000
