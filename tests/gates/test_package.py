"""The collection as users get it: built, installed into an empty home, run from an empty directory."""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import CHECKOUT, PLAYBOOKS
from playing import Place

pytestmark = pytest.mark.package

SHIPPED = {
    "CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "changelogs", "docs", "inventories", "meta",
    "playbooks", "plugins", "requirements.txt", "roles",
}
MAX_BYTES = 2_000_000


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place.fresh(tmp_path_factory.mktemp("build"))
    built = place.run("ansible-galaxy", "collection", "build", str(CHECKOUT), "--output-path", str(place.root / "here"))
    assert built.returncode == 0, built.stderr
    return next((place.root / "here").glob("upkeep-runbook-*.tar.gz"))


@pytest.fixture(scope="session")
def user(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place.fresh(tmp_path_factory.mktemp("user"))
    installed = place.run("ansible-galaxy", "collection", "install", str(tarball), "--offline")
    assert installed.returncode == 0, installed.stderr
    return place


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def describe(user: Place, port: int) -> None:
    """Write the platform.yml of a user who has no root rights and keeps everything at home."""
    platform = {
        "name": "Packaged",
        "root": str(user.root),
        "services": [{"name": "web", "http": {"url": f"http://127.0.0.1:{port}/"}}],
    }
    variables = {"upkeep_platform": platform, "upkeep_state_directory": str(user.root / "home/state"), "ansible_become": False}
    (user.root / "here" / "platform.yml").write_text(yaml.safe_dump(variables))


def play(user: Place, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Run the daily run; return its exit status, its output and the run record it wrote."""
    latest = user.root / "home/.local/state/upkeep/reports/latest.json"
    latest.unlink(missing_ok=True)
    done = user.run(
        "ansible-playbook", "-i", "localhost,", "-c", "local", "upkeep.runbook.daily", "-e", "@platform.yml", *arguments
    )
    assert latest.exists(), done.stdout + done.stderr
    return done.returncode, done.stdout, json.loads(latest.read_text())


def test_the_tarball_is_small_and_holds_what_users_need(tarball: Path) -> None:
    assert tarball.stat().st_size < MAX_BYTES
    with tarfile.open(tarball) as archive:
        members = archive.getmembers()
    assert [member.name for member in members if not (member.isfile() or member.isdir())] == [], "no links"
    assert {member.name.split("/")[0] for member in members} - SHIPPED == set()
    assert [member.name for member in members if "__pycache__" in member.name or "/." in f"/{member.name}"] == []
    names = {member.name for member in members}
    assert {f"playbooks/{path.name}" for path in PLAYBOOKS} <= names


def test_the_whole_run_ends_as_its_record_says(user: Place, port: int) -> None:
    describe(user, port)
    status, output, record = play(user)
    assert record["playbook"] == "daily"
    assert record["hosts"]["localhost"]["roles"].keys() >= {"platform", "health", "resources"}
    # What the resources of this machine are like is not the test's business; that the exit status follows is.
    assert (status == 0) == (record["status"] in ("ok", "warning")), output
    assert record["run_id"] in output


def test_a_service_that_answers_ends_with_success(user: Place, port: int) -> None:
    describe(user, port)
    status, output, record = play(user, "--tags", "health")
    assert (status, record["status"], record["health"]) == (0, "ok", "HEALTHY"), output


def test_a_service_that_is_down_ends_with_failure(user: Place) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        free = server.server_port
    describe(user, free)
    status, output, record = play(user, "--tags", "health")
    assert (status, record["status"], record["health"]) == (2, "critical", "UNHEALTHY"), output


def test_an_inventory_without_a_platform_is_told_what_to_write(user: Place) -> None:
    done = user.run("ansible-playbook", "-i", "localhost,", "-c", "local", "upkeep.runbook.daily", "-e", "ansible_become=false")
    assert done.returncode != 0
    assert "upkeep_platform" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
