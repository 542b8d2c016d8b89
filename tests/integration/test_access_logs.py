"""What a real nginx writes of logins, of caches and of countries, and what no day before has seen."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import check, inspect
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

START_SECONDS = 60.0
FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    '$http_cf_ipcountry "$sent_http_x_cache"'
)
SITE = """
pid {root}/pid; error_log {root}/error.log;
events {{}}
http {{
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    log_format told '{format}';
    access_log {root}/access.log told;
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 10000;
        location = /api/login {{ if ($http_x_password = right) {{ return 200 "in"; }} return 401; }}
        location /assets/ {{ add_header X-Cache "MISS, HIT"; return 200 "kept"; }}
        location / {{ add_header X-Cache "MISS from edge.example.com"; return 200 "page"; }}
    }}
}}
"""
Request = tuple[str, str, dict[str, str]]
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "CF-IPCountry": "DE"}
USUAL: list[Request] = [("GET", f"/assets/app-{number}.js?v={number}", BROWSER) for number in range(300)]
USUAL += [("GET", f"/items/{number}", BROWSER) for number in range(100)] + [("POST", "/api/login", {**BROWSER, "X-Password": "right"})] * 5
#: A new client takes pages and guesses passwords, for which it asks a new route.
GUESSER = {"User-Agent": "python-requests/2.32.3", "CF-IPCountry": "br"}
ATTACK: list[Request] = [("GET", f"/export/{number}", GUESSER) for number in range(120)] + [("POST", "/api/login", GUESSER)] * 95


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The log that nginx writes of the requests of a usual day, and of an attack behind them."""
    root = tmp_path_factory.mktemp("nginx")
    root.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (root / "nginx.conf").write_text(SITE.format(root=root, port=port, format=FORMAT))
    program = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/bin") or "nginx"
    process = subprocess.Popen([program, "-p", str(root), "-c", f"{root}/nginx.conf", "-g", "daemon off;"])
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.05)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for method, path, headers in (*USUAL, *ATTACK):
            connection.request(method, path, headers=headers)
            connection.getresponse().read()
        connection.close()
    finally:
        process.terminate()
        process.wait(30)
    yield root / "access.log"


def moved(lines: list[str], back: timedelta) -> str:
    """Return lines as they would have been written earlier."""
    form = "%d/%b/%Y:%H:%M:%S %z"
    return re.sub(r"\[([^]]+)\]", lambda match: f"[{datetime.strptime(match[1], form) - back:{form}}]", "".join(lines))


def test_a_new_client_that_guesses_passwords_is_told_in_all_that_it_does(log: Path, tmp_path: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    assert len(lines) == len(USUAL) + len(ATTACK)
    site, now = tmp_path / "site.log", datetime.now(timezone.utc)
    options: dict[str, Any] = {"paths": [str(site)], "format": FORMAT, "state_directory": str(tmp_path / "state"), "cache_warning_percent": 50.0}
    for days in range(7, 0, -1):
        site.write_text(moved(lines[: len(USUAL)], timedelta(days=days, minutes=5)))
        usual = inspect(now - timedelta(days=days), history=True, **options)
        assert {row["check"]: row["status"] for row in usual["checks"] if row["status"] != "ok"} == {}, usual["checks"]
    site.write_text(moved(lines, timedelta(minutes=5)))
    window = {"since": to_iso(now - timedelta(days=1)), "until": to_iso(now), "return_all": True}
    result = run_module("access_log_stats", {**options, **window})
    statuses = {row["check"]: row["status"] for row in result["checks"]}
    assert {name for name, status in statuses.items() if status != "ok"} == {"access.logins", "access.new"}, result["checks"]
    new, logins, cache = (check(result, name) for name in ("access.new", "access.logins", "access.cache"))
    assert (new["status"], new["value"]) == ("warning", 2)
    assert [row["agent"] for row in new["evidence"]["agents"]] == ["python-requests"]
    assert [row["country"] for row in new["evidence"]["countries"]] == ["BR"]
    assert [row["route"] for row in new["evidence"]["routes"]] == ["GET /export/:number"]
    assert (logins["status"], logins["value"]) == ("critical", 95.0)
    assert logins["evidence"]["clients"] == [{"client": "127.0.0.1", "refused": 95}]
    assert result["cache"]["requests"] == 520 and cache["value"] == pytest.approx(300 / 520 * 100, abs=0.001)
    assert run_module("access_log_stats", {**options, **window})["checks"] == result["checks"], "the same day once more"
