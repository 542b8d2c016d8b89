"""Evidence pulled from a host over real ssh, with the role, and verified by hand where it arrived."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.modules import evidence_verify
from ansible_collections.upkeep.runbook.tests.integration.journal_server import journal_server
from ansible_collections.upkeep.runbook.tests.integration.ssh_server import ssh_server
from ansible_collections.upkeep.runbook.tests.kept_modules import kept_modules
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.verifying import verify_evidence

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 900.0
VERIFY = {name: option.get("default") for name, option in evidence_verify.argument_spec().items()}


@dataclass
class Suspect:
    """A host that is this machine behind an sshd of its own.

    :ivar folder: what is collected. :ivar incidents: where it goes. :ivar remote: where Ansible would leave files on the host.
    """

    place: Path
    folder: Path
    incidents: Path
    remote: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **variables: Any) -> subprocess.Popen[str]:
        """Start the role; :param variables: of the role, without its name before them."""
        given = {f"evidence_{name}": value for name, value in variables.items()}
        given = {
            "evidence_directory": str(self.incidents), "evidence_incident": "INC-1", "evidence_logs": [], "evidence_persistence": [],
            "evidence_metadata_paths": [str(self.folder)], "evidence_paths": [str(self.folder)], "evidence_journal_hours": 1,
            "evidence_items": ["clock", "mounts", "metadata", "files"], **given,
        }
        playbook = self.place / "play.yml"
        playbook.write_text(json.dumps([{
            "hosts": "suspect", "gather_facts": False, "vars": given,
            "roles": [{"role": "upkeep.runbook.evidence"}],
            "post_tasks": [{"ansible.builtin.copy": {"content": "{{ evidence_result | to_json }}", "dest": str(self.place / "result"), "mode": "0600"},
                            "delegate_to": "localhost", "check_mode": False, "vars": {"ansible_remote_tmp": str(self.place / "local")}}],
        }]))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_SSH_ARGS": f"-F {self.place}/ssh.conf -o ControlMaster=no", "ANSIBLE_REMOTE_TEMP": str(self.remote),
            "ANSIBLE_HOME": str(self.place / "home"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            **kept_modules(self.place.parent),
        }
        argv = [
            str(Path(sys.executable).parent / "ansible-playbook"), "-i", "suspect,", "-e", f"ansible_python_interpreter={sys.executable}",
            *arguments, str(playbook),
        ]
        process = subprocess.Popen(
            argv, cwd=self.place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.started.append(process)
        return process

    def collect(self, *arguments: str, **variables: Any) -> dict[str, Any]:
        """Run the role to its end and return its result."""
        (self.place / "result").unlink(missing_ok=True)
        process = self.start(*arguments, **variables)
        output, _none = process.communicate(timeout=PATIENCE_SECONDS)
        assert (self.place / "result").exists(), output
        result: dict[str, Any] = json.loads((self.place / "result").read_text())
        return {**result, "output": output, "rc": process.returncode}

    def kill(self) -> None:
        """Kill the controller with all that it started: its workers are in sessions of their own."""
        mark = f"ANSIBLE_HOME={self.place}/home".encode()
        while found := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in _environment(pid)]:
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            for process in self.started:
                process.poll()

    def verify(self) -> dict[str, Any]:
        """Verify what arrived."""
        return verify_evidence({**VERIFY, "directory": str(self.incidents), "incident": "INC-1", "return_all": True})


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


@pytest.fixture
def suspect(tmp_path: Path) -> Iterator[Suspect]:
    made = Suspect(tmp_path, tmp_path / "data", tmp_path / "reports/incidents", tmp_path / "remote")
    made.folder.mkdir()
    (made.folder / "small.log").write_text("somebody was here\n")
    (made.folder / "large.bin").write_bytes(os.urandom(150_000))
    (made.folder / ".env").write_text("PASSWORD=hunter2\n")
    (made.folder / "server.txt").write_text("-----BEGIN PRIVATE KEY-----\nhunter2\n")
    with open(os.fsencode(made.folder) + b"/na\nme \xff..%\x1b[31m", "wb") as stream:
        stream.write(b"hostile")
    os.mkfifo(made.folder / "pipe")
    with open(made.folder / "endless", "wb") as stream:
        stream.truncate(10 * 1024**3)
    for path in made.folder.iterdir():
        if not path.is_fifo():
            os.utime(path, (1_600_000_000, 1_600_000_000))
    with ssh_server(tmp_path, "suspect", "MaxStartups 100\n"):
        try:
            yield made
        finally:
            made.kill()


def test_a_collection_over_ssh_is_what_is_on_the_host(suspect: Suspect) -> None:
    before = {path.name: (path.lstat().st_atime_ns, path.lstat().st_mtime_ns) for path in suspect.folder.iterdir()}
    planned = suspect.collect("--check", chunk_bytes=65536)
    assert planned["rc"] == 0 and planned["changed"], planned["output"]
    (files,) = [row for row in planned["plan"] if row["item"] == "files"]
    assert files["left_out"] == {"kind": 1, "size": 1, "secret": 1} and files["bytes"] > 150_000
    assert not (suspect.place / "reports").exists(), "check mode wrote something"

    result = suspect.collect(chunk_bytes=65536)
    assert result["rc"] == 0, result["output"]
    # Nothing of it has changed on the host, not even when it was read last, and Ansible has left nothing there.
    assert {path.name: (path.lstat().st_atime_ns, path.lstat().st_mtime_ns) for path in suspect.folder.iterdir()} == before
    assert not suspect.remote.exists()
    assert set(result["outcomes"].values()) == {"done"}
    collection = Path(result["path"])
    content = (collection / "manifest.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == result["manifest_sha256"]
    manifest = json.loads(content)
    rows = {row.get("path", row["stored"]).rpartition("/")[2]: row for row in manifest["artifacts"]}
    assert rows["small.log"]["status"]["mode"] == "100644" and rows["small.log"]["change"] == ""
    large = rows["large.bin"]
    assert len(large["chunks"]) == 3 and large["sha256"] == large["source_sha256"]
    assert (collection / large["stored"]).read_bytes() == (suspect.folder / "large.bin").read_bytes()
    hostile = next(row for row in manifest["artifacts"] if "hostile" in (collection / row["stored"]).read_text("utf-8", "replace") and row["item"] == "files")
    assert Path(hostile["stored"]).name.endswith("-na_me__..___31m") and "\n" not in hostile["path"]
    left = {row["path"].rpartition("/")[2]: row for row in manifest["left_out"]}
    assert {name: left[name]["kind"] for name in ("pipe", "endless", ".env", "server.txt")} == {
        "pipe": "kind", "endless": "size", ".env": "secret", "server.txt": "secret",
    }
    assert left[".env"]["sha256"] == hashlib.sha256(b"PASSWORD=hunter2\n").hexdigest()
    assert b"hunter2" not in b"".join(path.read_bytes() for path in suspect.incidents.rglob("*") if path.is_file())
    modes = {f"{path.stat().st_mode & 0o777:o}" for path in suspect.incidents.rglob("*") if path.is_file()}
    assert modes == {"600"}
    assert {f"{path.stat().st_mode & 0o777:o}" for path in [suspect.incidents, *suspect.incidents.rglob("*")] if path.is_dir()} == {"700"}
    entries = [json.loads(line) for line in (suspect.incidents / "INC-1/custody.jsonl").read_bytes().splitlines()]
    assert [(entry["step"], entry["outcome"]) for entry in entries] == [("evidence", "planned"), ("evidence", "done")]
    assert entries[1]["details"]["manifest_sha256"] == result["manifest_sha256"]
    assert suspect.verify()["status"] == "ok"
    # By hand, as the page says.
    script = "jq -r '.artifacts[] | \"\\(.sha256)  \\(.stored)\"' manifest.json | sha256sum --check --quiet"
    subprocess.run(["sh", "-c", script], cwd=collection, check=True)


def test_the_controller_is_killed_half_way(suspect: Suspect) -> None:
    """What was collected before stays usable, what is half done never counts, and the next collection is whole."""
    assert suspect.collect(items=["clock", "files"])["rc"] == 0
    process = suspect.start(items=["clock", "files"], chunk_bytes=65536)
    deadline, folder = time.monotonic() + PATIENCE_SECONDS, suspect.incidents / "INC-1/suspect"
    while not (half := [path for path in folder.glob("*/files/*-large.bin") if 0 < path.stat().st_size < 150_000]):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    suspect.kill()
    assert 0 < half[0].stat().st_size < 150_000
    killed = half[0].parents[1].name
    found = suspect.verify()
    assert found["status"] == "warning" and found["totals"] == {"collections": 2, "whole": 1}
    result = suspect.collect(items=["clock", "files"])
    assert result["rc"] == 0
    entries = [json.loads(line) for line in (suspect.incidents / "INC-1/custody.jsonl").read_bytes().splitlines()]
    assert [entry["details"]["unfinished"] for entry in entries if "unfinished" in entry["details"]] == [killed]
    assert suspect.verify()["totals"] == {"collections": 3, "whole": 2}


def test_another_report_host_is_refused_by_name(suspect: Suspect) -> None:
    process = suspect.start(report_host="reports-1")
    output, _none = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2 and "reports-1 is another host" in output and not suspect.incidents.exists()


def test_a_real_journal_page_by_page(tmp_path: Path) -> None:
    with journal_server(tmp_path) as journal:
        for number in range(30):
            journal.log("sshd", f"message {number} of thirty {'x' * 800}")
        journal.wait_for("message 29 of thirty")
        lines: list[bytes] = []
        cursor: str | None = ""
        pages = 0
        while cursor is not None:
            question = {"ask": "journal", "since": time.time() - 3600, "until": time.time() + 60, "cursor": cursor, "chunk_bytes": 8192}
            answer = run_module("evidence_read", question, before=journal.enter)
            assert not answer.get("failed") and answer["left_out"] == [], answer
            for piece in answer["pieces"]:
                lines += zlib.decompress(base64.b64decode(piece["data"])).splitlines()
            cursor, pages = answer["cursor"], pages + 1
        nothing = run_module("evidence_read", {**question, "since": 1.0, "until": 2.0, "cursor": ""}, before=journal.enter)
    told = [json.loads(line)["MESSAGE"] for line in lines]
    assert [message.split(" x")[0] for message in told if "of thirty" in message] == [f"message {number} of thirty" for number in range(30)]
    assert pages > 2 and nothing["left_out"] == [] and nothing["pieces"][0]["bytes"] == 0
