"""A sweep meets what an intruder may have left for it: it ends, in bounded memory, with all that is there found or said to be unread."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, run_module, start_module

EVIL = b"what the intruder left"
DIGEST = hashlib.sha256(EVIL).hexdigest()
#: Connections, accounts and schedules are those of a folder; the peak of memory is asked of the process itself.
BEFORE = """
import atexit, re
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc import sweeping
sweeping.Host = lambda: Host({root!r})
atexit.register(lambda: open({memory!r}, "w").write(re.search("VmHWM:\\\\s+(\\\\d+) kB", open("/proc/self/status").read())[1]))
"""


class Victim:
    """A folder that stands for a host."""

    def __init__(self, root: Path) -> None:
        self.root, self.tree, self.logs, self.memory = root / "host", root / "host/tree", root / "host/logs", root / "memory"
        for folder in (self.tree, self.logs, self.root / "etc", self.root / "proc/net", self.units):
            folder.mkdir(parents=True)
        (self.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\neve:x:1002:1002::/home/eve:/bin/sh\n")
        (self.root / "proc/net/tcp").write_text("head\n")

    @property
    def units(self) -> Path:
        return self.root / "home/eve/.config/systemd/user"

    def options(self, *indicators: tuple[str, str], **options: Any) -> dict[str, Any]:
        listed = [{"type": kind, "value": value} for kind, value in indicators]
        return {"indicators": listed, "hash_paths": [str(self.tree)], "logs": [f"{self.logs}/*"], **options}

    def before(self) -> str:
        return BEFORE.format(root=str(self.root), memory=str(self.memory))

    def sweep(self, *indicators: tuple[str, str], **options: Any) -> dict[str, Any]:
        answer = run_module("ioc_scan", self.options(*indicators, **options), before=self.before())
        assert "exception" not in answer and not answer.get("failed"), answer
        assert all(text.isprintable() for row in answer["checks"] for text in (row["subject"], row["summary"]))
        assert len(json.dumps([answer["checks"], answer["found"], answer["totals"]])) < 100_000
        assert int(self.memory.read_text()) / 1024 < 128
        return answer


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    return Victim(tmp_path)


def counts(answer: dict[str, Any]) -> dict[str, int]:
    return {found["value"]: found["count"] for found in answer["found"]}


def unknown(answer: dict[str, Any]) -> set[str]:
    return {row["subject"].rpartition("/")[2] for row in answer["checks"] if row["status"] == "unknown"}


def test_hostile_names_and_kinds_of_files(victim: Victim) -> None:
    for name in (b"\xff\xfe", b"line\nfeed", b"\x1b[2J", b"<script>", b"-rf", b"tab\t\\t", "\u202egpj.exe".encode(), b"a" * 255):
        with open(os.path.join(os.fsencode(victim.tree), name), "wb") as stream:
            stream.write(EVIL)
    (victim.tree / "link").symlink_to("/etc/shadow")
    (victim.tree / "circle").symlink_to(".")
    os.mkfifo(victim.tree / "pipe")
    with socket.socket(socket.AF_UNIX) as listener, open(victim.tree / "hole", "wb") as hole:
        here = os.getcwd()
        os.chdir(victim.tree)  # the path may be longer than a socket's may be
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        hole.truncate(2**43)
        answer = victim.sweep(("sha256", DIGEST), ("path", f"{victim.tree}/*"))
    assert counts(answer) == {DIGEST: 8, f"{victim.tree}/*": 13}
    assert unknown(answer) == {"hole"}


def test_hostile_logs(victim: Victim) -> None:
    hit = b" 192.0.2.66 evil.example.com\n"
    (victim.logs / "one-line").write_bytes(b"\0\xff\x1b]0;x\x07<b>" * 1_000_000 + hit)
    (victim.logs / "dotted").write_bytes(b"1." * 400_000 + b" " + b"a." * 400_000 + b" " + b"1:" * 400_000 + hit)
    (victim.logs / "bomb.gz").write_bytes(gzip.compress(hit + bytes(16 * 1024 * 1024)))
    whole = gzip.compress(os.urandom(200_000))
    (victim.logs / "cut.gz").write_bytes(gzip.compress(hit) + whole[: len(whole) // 2])
    (victim.logs / "single-bytes.gz").write_bytes(b"".join(gzip.compress(bytes([one])) for one in hit) * 100)
    os.mkfifo(victim.logs / "pipe")
    (victim.logs / "link").symlink_to("/dev/zero")
    (victim.logs / "other.zip").write_bytes(b"PK\x03\x04" + bytes(1000))
    (victim.logs / "folder").mkdir()
    many = [("address", f"10.{number >> 8}.{number & 255}.1") for number in range(4000)]
    many += [("domain", f"a{number}.example.org") for number in range(4000)]
    answer = victim.sweep(("address", "192.0.2.66"), ("domain", "evil.example.com"), *many, max_log_bytes=12 * 1024 * 1024)
    assert counts(answer) == {"192.0.2.66": 104, "evil.example.com": 104}
    assert unknown(answer) == {"bomb.gz", "cut.gz", "pipe", "link", "other.zip", "folder"}


def test_units_of_a_user_without_end(victim: Victim) -> None:
    (victim.units / "evil.timer").write_text("[Timer]\nX=curl -s http")
    for name in ("a.d", "b.d", "c.wants"):
        (victim.units / name).symlink_to(".")
    for number in range(40):  # together more than the memory that is allowed
        with open(victim.units / f"large-{number}.service", "wb") as stream:
            stream.truncate(4 * 1024 * 1024)
    with open(victim.units / "hole.service", "wb") as stream:
        stream.truncate(2**40)
    os.mkfifo(victim.units / "pipe.service")
    (victim.units / "waits.service").symlink_to("/proc/kmsg")
    answer = victim.sweep(("schedule", "curl -s http"), ("user", "eve"))
    assert counts(answer) == {"curl -s http": 4, "eve": 1}
    assert "hole.service" in unknown(answer)


def test_what_was_unread_is_counted_and_bounded(victim: Victim) -> None:
    for number in range(300):
        os.mkfifo(victim.logs / f"pipe-{number}")
    answer = victim.sweep(("address", "192.0.2.66"))
    assert (answer["status"], answer["totals"]["unread"], len(unknown(answer))) == ("unknown", 300, 51)


def test_killed_at_any_moment_it_leaves_nothing_behind(victim: Victim) -> None:
    (victim.tree / "evil").write_bytes(EVIL)
    packed = subprocess.run(["zstd", "-qc"], input=b"x" * 10_000_000 + b" 192.0.2.66", capture_output=True, check=True).stdout
    (victim.logs / "log.zst").write_bytes(packed)
    before = sorted((str(path), path.stat().st_mtime_ns) for path in victim.root.rglob("*"))
    wanted = (("sha256", DIGEST), ("address", "192.0.2.66"))
    process = start_module("ioc_scan", victim.options(*wanted), before=victim.before() + "print('begun', flush=True)\n")
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert sorted((str(path), path.stat().st_mtime_ns) for path in victim.root.rglob("*")) == before
    assert counts(victim.sweep(*wanted)) == {DIGEST: 1, "192.0.2.66": 1}


def test_a_tree_that_changes_all_the_time_is_no_crash(victim: Victim, tmp_path: Path, fault_runs: int) -> None:
    """Nobody has a file outside of the tree read by exchanging a folder for a link."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(EVIL)
    (victim.tree / "stays").write_bytes(EVIL)
    stop = threading.Event()

    def write() -> None:
        place, log = victim.tree / "folder", victim.logs / "log"
        while not stop.is_set():
            place.mkdir()
            (place / "secret").write_text("none")
            log.write_bytes(b"192.0.2.66\n" * 1000)
            (place / "secret").unlink()
            place.rmdir()
            log.unlink()
            place.symlink_to(tmp_path / "outside")
            place.unlink()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        started = [start_module("ioc_scan", victim.options(("sha256", DIGEST), ("address", "192.0.2.66"))) for _run in range(fault_runs)]
        answers = [answer_of(process) for process in started]
    finally:
        stop.set()
        writer.join()
    for answer in answers:
        assert counts(answer)[DIGEST] == 1 and "exception" not in answer
        # Whether the log was there, came and went, or was cut: what was not seen is said.
        assert "192.0.2.66" in counts(answer) or unknown(answer) or answer["totals"].get("logs", 0)


def test_it_answers_when_no_source_is_there(tmp_path: Path) -> None:
    victim = Victim(tmp_path)
    for path in (victim.root / "etc/passwd", victim.root / "proc/net/tcp"):
        path.unlink()
    answer = victim.sweep(("user", "eve"), ("address", "192.0.2.66"), ("schedule", "curl"), logs=[])
    assert answer["status"] == "unknown" and unknown(answer) == {"passwd", "tcp"}
