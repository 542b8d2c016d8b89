"""What runs on the test hosts, and what the runs left behind on them."""

from __future__ import annotations

import ast

import pytest
import testinfra
from containers import Container
from testinfra.host import Host
from upkeep_run import run_module

STATE = "/var/lib/upkeep"


@pytest.fixture(params=["upkeep-nsfx-app-1", "upkeep-nsfx-app-2"])
def each_host(request: pytest.FixtureRequest) -> Host:
    return testinfra.get_host(f"podman://{request.param}")


@pytest.fixture
def host() -> Host:
    return testinfra.get_host("podman://upkeep-nsfx-app-1")


def test_state_belongs_to_root_alone(each_host: Host) -> None:
    directory, history = each_host.file(STATE), each_host.file(f"{STATE}/history.sqlite")
    assert (directory.is_directory, directory.user, directory.group, directory.mode) == (True, "root", "root", 0o700)
    assert (history.is_file, history.user, history.group, history.mode) == (True, "root", "root", 0o600)


def test_history_keeps_the_figures(each_host: Host) -> None:
    count = "import sqlite3; print(*sqlite3.connect('%s/history.sqlite').execute('select count(distinct series) from points'))"
    (series,) = ast.literal_eval(each_host.check_output("python3 -c %s", count % STATE))
    assert series > 10


def test_user_of_the_inventory_is_not_root(host: Host) -> None:
    """So every module of the run came through sudo."""
    assert host.user("upkeep").uid != 0


def test_prerequisites_installed_psutil(each_host: Host) -> None:
    assert each_host.package("python3-psutil").is_installed


@pytest.mark.parametrize("unit", ["tick-backend", "neurosensefx-frontend", "nginx"])
def test_services_run(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


@pytest.mark.parametrize("script", ["tick-backend/server.js", "scripts/preview.js"])
def test_node_services_do_not_run_as_root(host: Host, script: str) -> None:
    (process,) = [process for process in host.process.filter(comm="node") if script in process.args]
    assert process.user == "neurosense"


@pytest.mark.parametrize(
    ("unit", "log", "port"), [("tick-backend", "backend.log", 8081), ("neurosensefx-frontend", "frontend.log", 4173)]
)
def test_log_is_reopened_on_the_signal_of_the_description(app: Container, unit: str, log: str, port: int) -> None:
    """Node keeps SIGUSR1 for its inspector; a service that listens for it gets it instead, and no inspector starts."""
    path = f"/opt/neurosensefx/logs/{log}"
    app.sh(f"mv {path} {path}.moved && systemctl kill --signal USR1 --kill-whom main {unit}")
    app.wait_for(f"grep --quiet 'log reopened' {path}")
    app.sh(f"python3 -c 'import urllib.request as r; r.urlopen(\"http://127.0.0.1:{port}/health\")' 2>/dev/null || true")
    app.wait_for(f"grep --quiet GET {path}")
    assert "9229" not in app.sh("ss --listening --tcp --numeric")
    # The daily runs that follow would miss what they have not read yet: it is the log again, and its lines are those of both.
    app.sh(f"cat {path} >> {path}.moved && mv {path}.moved {path} && systemctl kill --signal USR1 --kill-whom main {unit}")


def test_ticks_of_the_upstream_reach_a_browser() -> None:
    """Through the library, the WebSocket, nginx and TLS: the whole platform is real, not only its answers to probes."""
    probe = {"name": "ticks", "type": "websocket", "url": "wss://www.neurosensefx.example/ws", "expect": "EURUSD"}
    result = run_module("nsfx-app-1", "health_probe", {"probes": [probe]})
    assert result["status"] == "ok", result
