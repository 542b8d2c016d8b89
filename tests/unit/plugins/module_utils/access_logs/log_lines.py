"""Lines of access logs as nginx writes them, and the options of the module for calls without it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.inspection import inspect_access_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.login_routes import AUTH_ROUTES
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.options import DEFAULTS

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)
#: What Ansible gives where nothing is said; a test of the module compares.
OPTIONS: dict[str, Any] = {
    **DEFAULTS, "paths": [], "error_paths": [], "groups": [], "format": "combined", "fields": {}, "trusted_proxies": [],
    "exclude_routes": [], "exclude_agents": [], "auth_routes": list(AUTH_ROUTES), "since_hours": 24.0, "since": None, "until": None, "top": 10, "processes": 2,
    "history": True, "state_directory": "/var/lib/upkeep", "return_all": False,
}  # fmt: skip
#: combined, and what a server behind a proxy with a cache adds.
EXTENDED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    '$request_time $upstream_response_time $upstream_cache_status "$http_x_forwarded_for"'
)


def line(
    at: datetime = NOW - timedelta(hours=1),
    *,
    client: str = "192.0.2.7",
    user: str = "-",
    request: str = "GET / HTTP/1.1",
    status: int | str = 200,
    size: int | str = 512,
    agent: str = "curl/8.5.0",
    more: str = "",
) -> str:
    """Return a line in the format combined.

    :param more: what stands behind it.
    """
    return f'{client} - {user} [{at.strftime("%d/%b/%Y:%H:%M:%S %z")}] "{request}" {status} {size} "-" "{agent}"{more}\n'


def extended(
    at: datetime = NOW - timedelta(hours=1),
    *,
    took: str = "0.010",
    upstream: str = "0.009",
    cache: str = "-",
    forwarded: str = "-",
    **rest: Any,
) -> str:
    """Return a line in the format EXTENDED."""
    return line(at, more=f' {took} {upstream} {cache} "{forwarded}"', **rest)


def options(**given: Any) -> dict[str, Any]:
    """Return the options of the module as Ansible gives them."""
    return {**OPTIONS, "history": False, **given}


def inspect(now: datetime = NOW, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Return what the module would return."""
    return inspect_access_logs(options(**given), now=now, check_mode=check_mode)


def check(result: dict[str, Any], name: str, subject: str | None = None) -> dict[str, Any]:
    """Return the one check of a kind."""
    rows = [row for row in result["checks"] if row["check"] == name and subject in (None, row["subject"])]
    assert len(rows) == 1, rows or [row["check"] for row in result["checks"]]
    return dict(rows[0])
