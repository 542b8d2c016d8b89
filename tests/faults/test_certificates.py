"""Servers and files that want to hold the inspection of certificates up, through the role as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import (
    present,
    present_authority,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.tls_servers import TlsServers

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def servers() -> Iterator[TlsServers]:
    started = TlsServers()
    yield started
    started.close()


def run_role(folder: Path, certificates: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """Run the role against this machine and return its result."""
    platform = {"name": "Faults", "root": "/", "certificates": certificates}
    copied = {"content": "{{ certificates_result | to_json }}", "dest": str(folder / "result.json"), "mode": "0600"}
    play = {
        "name": "Look",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"upkeep_platform": platform, "ansible_python_interpreter": sys.executable, **variables},
        "tasks": [
            {"name": "Look at certificates", "ansible.builtin.import_role": {"name": "upkeep.runbook.certificates"}},
            {"name": "Keep the result", "ansible.builtin.copy": copied},
        ],
    }
    (folder / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(folder / "play.json")],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def test_hostile_servers_and_files_cost_their_time_and_hide_nobody(
    tmp_path: Path, servers: TlsServers, fault_runs: int
) -> None:
    """However many there are, the good one keeps its answer, each of the others has a reason, and the end comes in time."""
    authority = present_authority()
    good = present("localhost", addresses=("127.0.0.1",), by=authority)
    path = good.write(tmp_path / "good.pem")
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    hostile = [
        servers.hold,
        servers.drip(b"\x16", 0.1),
        servers.drip(b"220-x\r\n", 0.01),
        lambda connection: connection.sendall(os.urandom(65536)),
        lambda connection: connection.sendall(b"\x16\x03\x03\xff\xff" + b"\0" * 100_000),
        lambda connection: None,
    ]
    ports = [servers.start(before=before) for before in hostile * fault_runs]
    good_port = servers.start(path)
    (tmp_path / "files").mkdir()
    os.mkfifo(tmp_path / "files/pipe.pem")
    (tmp_path / "files/loop.pem").symlink_to("loop.pem")
    with open(tmp_path / "files/large.pem", "wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    protocols = ("", "smtp", "imap")
    endpoints = [
        {"host": "127.0.0.1", "port": port, "starttls": protocols[index % 3]} for index, port in enumerate(ports)
    ]
    described = {
        "paths": [str(tmp_path / "files/*"), path],
        "endpoints": [*endpoints, f"127.0.0.1:{good_port}"],
        "ca_file": str(tmp_path / "authority.pem"),
    }
    started = time.monotonic()
    result = run_role(tmp_path, described, certificates_timeout_seconds=1.5)
    assert time.monotonic() - started < 60
    unreadable = {row["subject"] for row in result["checks"] if row["check"] == "certificate.readable"}
    assert unreadable == {
        *(f"127.0.0.1:{port}" for port in ports),
        *(str(tmp_path / "files" / name) for name in ("pipe.pem", "loop.pem", "large.pem")),
    }
    others = [row for row in result["checks"] if row["check"] != "certificate.readable"]
    assert {row["status"] for row in others} == {"ok"}
    assert {row["subject"] for row in others} == {path, f"127.0.0.1:{good_port}"}


def test_a_server_is_known_to_be_old_until_it_is_reloaded(tmp_path: Path, servers: TlsServers) -> None:
    authority = present_authority()
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    old = present("localhost", days=50, addresses=("127.0.0.1",), by=authority)
    new = present("localhost", days=90, addresses=("127.0.0.1",), by=authority)
    live = tmp_path / "live.pem"
    port = servers.start(old.write(tmp_path / "served.pem"))
    live.write_bytes(new.pem)
    described = {
        "served_by": [{"path": str(live), "endpoint": f"127.0.0.1:{port}", "hint": "Reload it."}],
        "ca_file": str(tmp_path / "authority.pem"),
    }
    result = run_role(tmp_path, described)
    assert [(row["check"], row["hint"]) for row in result["checks"] if row["status"] != "ok"] == [
        ("certificate.served", "Reload it.")
    ]
    reloaded = servers.start(new.write(tmp_path / "served.pem"))
    described["served_by"] = [{"path": str(live), "endpoint": f"127.0.0.1:{reloaded}"}]
    assert run_role(tmp_path, described)["status"] == "ok"
