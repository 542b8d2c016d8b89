"""The module as Ansible runs it, on real files and with a journalctl of our own: what it counts, and what it cannot."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

NOW = datetime.now(timezone.utc)
A = "192.0.2.7"


def run(**options: Any) -> dict[str, Any]:
    return run_module("auth_failures", options)


def iso(text: str, *, minutes: float = 5.0, program: str = "sshd[7]") -> str:
    return f"{(NOW - timedelta(minutes=minutes)).isoformat()} host {program}: {text}\n"


def traditional(text: str, *, minutes: float = 5.0, program: str = "sshd[7]") -> str:
    moment = (NOW - timedelta(minutes=minutes)).astimezone()
    return f"{moment.strftime('%b')} {moment.day:>2} {moment.strftime('%H:%M:%S')} host {program}: {text}\n"


def failed(user: str = "alice", address: str = A) -> str:
    return f"Failed password for {user} from {address} port 5 ssh2"


def rows(answer: dict[str, Any], check: str) -> dict[str, str]:
    return {row["subject"]: row["status"] for row in answer["checks"] if row["check"] == check}


def by_zstd(text: str) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def journalctl(folder: Path, script: str) -> dict[str, str]:
    """Put a journalctl of our own before the others."""
    program = folder / "bin" / "journalctl"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def entry(text: Any, *, program: str = "sshd", minutes: float = 5.0, **fields: Any) -> str:
    moment = int((NOW - timedelta(minutes=minutes)).timestamp() * 1e6)
    return json.dumps({"__REALTIME_TIMESTAMP": str(moment), "SYSLOG_IDENTIFIER": program, "MESSAGE": text, "_PID": "7", "_UID": "0", **fields})


def by_journal(folder: Path, entries: list[str], options: dict[str, Any], *, hours: float = 0.0) -> dict[str, Any]:
    """Run the module beside a journal, on a host that was set up, and started, so many hours ago."""
    (folder / "entries").write_text("\n".join(entries) + "\n")
    env = journalctl(folder, f'echo "$@" > {folder}/asked; cat {folder}/entries')
    return run_module("auth_failures", options, before=STARTED.format(time.time() - hours * 3600), env=env)


STARTED = """
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning import reach
reach._system_started = reach._changed = lambda *_path: {}
"""


@pytest.mark.parametrize("form", [iso, traditional])
def test_files_with_their_rotations(tmp_path: Path, form: Any) -> None:
    log = tmp_path / "auth.log"
    log.write_text(form(failed(), minutes=1) + form("x : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id", program="sudo"))
    (tmp_path / "auth.log.1").write_text(form(failed("root"), minutes=60) + form("session opened", program="CRON[1]"))
    (tmp_path / "auth.log.2.gz").write_bytes(gzip.compress((form(failed("bob"), minutes=3000) + form(failed("bob"), minutes=600)).encode()))
    (tmp_path / "auth.log.3.gz").write_bytes(gzip.compress(form(failed("old"), minutes=60).encode()))
    os.utime(tmp_path / "auth.log.3.gz", (0, time.time() - 90_000))
    (tmp_path / "auth.log-20261122").write_text(form(failed("carol"), minutes=60))
    (tmp_path / "auth.log-20261121.zst").write_bytes(by_zstd(form(failed("dora"), minutes=70)) + by_zstd(form(failed("dora"), minutes=69)))
    (tmp_path / "auth.logger").write_text(form(failed("wrong")))
    answer = run(source="files", paths=[str(log)], return_all=True, _ansible_check_mode=True)
    assert (answer["changed"], answer["status"]) == (False, "ok")
    assert {row["user"] for row in answer["users"]} == {"alice", "root", "bob", "carol", "dora"}
    assert answer["totals"]["failures"] == 6 and answer["totals"]["sudo_commands"] == 1
    assert answer["addresses"][0]["failures"] == 6
    assert len(answer["sources"]) == 5 and sum(row["unparsed"] for row in answer["sources"]) == 0
    assert rows(answer, "auth.failures") == {"all logins": "ok"}


def test_findings_and_what_is_folded(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    lines = [iso(failed(address=f"198.51.{index // 250}.{index % 250}"), minutes=60) * (3 if index < 5 else 2) for index in range(300)]
    lines += [iso(failed()) * 6, iso(f"Accepted password for alice from {A} port 5 ssh2", minutes=1)]
    lines += [iso("alice : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id", program="sudo[9]")]
    log.write_text("".join(lines))
    answer = run(source="files", paths=[str(log)], warning_per_address=2, critical_per_address=6, top_addresses=4, warning_per_user=100)
    assert answer["status"] == "critical"
    failures = rows(answer, "auth.failures")
    assert failures[A] == "critical" and failures["198.51.0.0"] == "warning" and failures["further addresses"] == "warning"
    assert sum(subject.count(".") == 3 and "/" not in subject for subject in failures) == 4
    assert failures["user alice"] == "warning" and failures["198.51.0.0/24"] == "warning"
    assert rows(answer, "auth.success_after_failures") == {f"alice from {A}": "critical"}
    assert rows(answer, "auth.sudo") == {"sudo alice": "warning"}
    assert [(row["user"], row["by"], row["failures"]) for row in answer["successes_after_failures"]] == [("alice", "address", 6)]
    assert len(answer["addresses"]) == 4 and answer["totals"]["addresses"] == 301
    allowed = run(source="files", paths=[str(log)], allow=[A, "198.51.0.0/16"], warning_per_user=0)
    assert rows(allowed, "auth.failures") == {"all logins": "warning"} and allowed["addresses"][0]["allowed"] is True
    assert rows(allowed, "auth.success_after_failures") == {"all logins": "ok"}


def test_a_log_that_is_packed_or_rotated_meanwhile(tmp_path: Path) -> None:
    """While gzip works a file is there twice; after a rotation names mean other files."""
    log, older = tmp_path / "auth.log", tmp_path / "auth.log.1"
    log.write_text(iso(failed()))
    older.write_text(iso(failed(), minutes=60))
    packed = tmp_path / "auth.log.1.gz"
    packed.write_bytes(gzip.compress(older.read_bytes())[:30])
    answer = run(source="files", paths=[str(log)])
    assert (answer["status"], answer["totals"]["failures"], len(answer["sources"])) == ("ok", 2, 2)
    packed.unlink()
    answer = run_module("auth_failures", {"source": "files", "paths": [str(log)]}, before=ROTATE.format(str(tmp_path)))
    assert rows(answer, "auth.source")[str(log)] == "unknown"
    assert "was rotated while it was read" in str(answer["checks"])


ROTATE = """
import os
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication import sources
read, log = sources.read_lines, "{}/auth.log"
def rotating(file, **options):
    if os.path.exists(log):
        os.rename(log + ".1", log + ".2")
        os.rename(log, log + ".1")
    return read(file, **options)
sources.read_lines = rotating
"""


def test_the_window(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text("".join(iso(failed(), minutes=minutes) for minutes in (300, 200, 100)))
    since, until = ((NOW - timedelta(minutes=minutes)).isoformat() for minutes in (250, 150))
    assert run(source="files", paths=[str(log)], since=since, until=until)["totals"]["failures"] == 1
    assert run(source="files", paths=[str(log)], since_hours=4)["totals"]["failures"] == 2
    assert run(source="files", paths=[str(log)], since_hours=4, until=until)["totals"]["failures"] == 2


def test_hostile_lines(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    evil = "<script>\x1b[2J\u202eroot from 198.51.100.9 port 22 ssh2"
    log.write_bytes(
        iso(failed(f"invalid user {evil}")).encode() + b"\xff\xfe\0\n" + b"x" * (10 * 2**20) + b"\n" + iso(failed()).encode()
        + iso(failed("invalid user \x00n")).encode() + b"no end"
    )
    answer = run(source="files", paths=[str(log)], warning_per_address=1, critical_per_address=0)
    assert answer["totals"]["failures"] == 3 and [row["address"] for row in answer["addresses"]] == [A]
    assert answer["sources"][0]["unparsed"] == 3
    assert "\x1b" not in json.dumps(answer, ensure_ascii=False) and "\u202e" not in json.dumps(answer, ensure_ascii=False)


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    missing = run(source="files", paths=[str(tmp_path / "none.log")])
    assert (missing["status"], rows(missing, "auth.source")) == ("unknown", {str(tmp_path / "none.log"): "unknown"})
    assert len(missing["checks"]) == 1 and missing["checks"][0]["hint"]
    fifo = tmp_path / "fifo.log"
    os.mkfifo(fifo)
    assert "it is no file" in run(source="files", paths=[str(fifo)])["checks"][0]["summary"]
    folder = tmp_path / "folder.log"
    folder.mkdir()
    assert run(source="files", paths=[str(folder)])["status"] == "unknown"
    cut = tmp_path / "cut.log"
    cut.write_text(iso(failed()))
    (tmp_path / "cut.log.1.gz").write_bytes(gzip.compress(os.urandom(50_000).hex().encode() + iso(failed()).encode())[:2000])
    answer = run(source="files", paths=[str(cut)])
    assert answer["status"] == "unknown" and answer["totals"]["failures"] == 1
    assert rows(answer, "auth.source")[f"{cut}.1.gz"] == "unknown"
    (tmp_path / "cut.log.1.gz").unlink()
    whole = by_zstd(iso(failed()) + os.urandom(600_000).hex() + "\n" + iso(failed("never"), minutes=1))
    (tmp_path / "cut.log.1.zst").write_bytes(whole[:-2000])
    answer = run(source="files", paths=[str(cut)])
    assert answer["status"] == "unknown" and {row["user"] for row in answer["users"]} == {"alice"}
    assert "it is cut off" in str(answer["checks"]) and rows(answer, "auth.source")[f"{cut}.1.zst"] == "unknown"
    answer = run(source="files", paths=[str(cut)], max_bytes=1_000_000)
    assert "larger than max_bytes" in str(answer["checks"]) and answer["totals"]["failures"] == 2
    (tmp_path / "cut.log.1.zst").unlink()
    (tmp_path / "cut.log.2.lz4").write_bytes(b"x")
    assert rows(run(source="files", paths=[str(cut)]), "auth.source")[f"{cut}.2.lz4"] == "unknown"
    strange = tmp_path / "strange.log"
    strange.write_text(f"{failed()}\n" * 20 + iso(failed()))
    assert "20 of 21 lines" in run(source="files", paths=[str(strange)])["checks"][0]["summary"]


def test_silence_is_unknown(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(iso(failed(), minutes=3000))
    answer = run(source="files", paths=[str(log)])
    assert rows(answer, "auth.source")["silence"] == "unknown" and answer["status"] == "unknown"
    assert run(source="files", paths=[str(log)], expect_messages=False)["status"] == "ok"
    os.utime(log, (0, time.time() - 90_000))
    assert rows(run(source="files", paths=[str(log)]), "auth.source")["silence"] == "unknown"


def test_a_part_of_a_large_file_is_not_all(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(iso(failed()) * 2000)
    answer = run(source="files", paths=[str(log)], max_bytes=65536)
    assert answer["status"] == "unknown" and 0 < answer["totals"]["failures"] < 2000
    packed = tmp_path / "packed.log"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert "larger than max_bytes" in run(source="files", paths=[str(packed)], max_bytes=65536)["checks"][0]["summary"]
    assert run(source="files", paths=[str(packed)])["totals"]["failures"] == 2000


def test_the_journal(tmp_path: Path) -> None:
    entries = [entry(failed())] * 6 + [
        entry([*failed("b\udcff").encode("utf-8", "surrogateescape")]),
        entry(f"Accepted password for root from {A} port 22 ssh2", _UID="1000", _EXE="/usr/bin/logger"),
        entry("alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root", program="sudo", _UID="1000", _EXE="/usr/bin/sudo"),
        entry("alice : user NOT in sudoers ; TTY=pts/0", program="sudo", _UID="1000", _EXE="/usr/bin/logger"),
        # What sshd says at the end of a session it says with the rights of its user.
        entry(f"Disconnected from user alice {A} port 22", _UID="1000", _EXE="/usr/sbin/sshd"),
        entry("Received disconnect from 192.0.2.7 port 22:11: disconnected by user", program="sshd-session", _UID="1000"),
        # Anybody can blame an address in the name of PAM.
        entry(
            f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={A} user=root", program="logger",
            _UID="1000", _EXE="/usr/bin/logger",
        ),
        entry("pam_unix(screen:auth): authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=192.0.2.9 user=x", program="x", _UID="9", _EXE="/tmp/x"),
        entry("x", program="dbus-daemon", _UID="101", _EXE="/usr/bin/dbus-daemon"), entry(None), "{broken", '"text"', entry(failed(), _UID=0),
        entry(f"Accepted password for alice from {A} port 22 ssh2", program="sshd-session"), entry(failed(), minutes=3000),
    ]
    answer = by_journal(tmp_path, entries, {"paths": [str(tmp_path / "none.log")]})
    assert answer["totals"]["failures"] == 10 and answer["totals"]["accepted"] == 1
    assert answer["totals"]["by_service"] == {"ssh": 7, "sudo": 3} and [row["address"] for row in answer["addresses"]] == [A]
    assert answer["sources"][0]["forged"] == 3 and answer["sources"][0]["unparsed"] == 3
    assert rows(answer, "auth.source") == {"journal": "warning"}
    assert rows(answer, "auth.success_after_failures") == {f"alice from {A}": "critical"}
    asked = (tmp_path / "asked").read_text().split()
    assert asked[0] == "--output=json" and "SYSLOG_IDENTIFIER=sshd-session" in asked and asked[-1] != "+"


def test_a_journal_that_is_younger_than_the_window(tmp_path: Path) -> None:
    """After a restart, or when it is full, it has let go what log files still hold."""
    (tmp_path / "entries").write_text(entry(failed()))
    env = journalctl(tmp_path, f"cat {tmp_path}/entries")
    log = tmp_path / "auth.log"
    options = {"paths": [str(log)], "return_all": True}
    answer = by_journal(tmp_path, [entry(failed())], options)
    assert [row["source"] for row in answer["sources"]] == ["journal"] and rows(answer, "auth.source") == {"journal": "ok"}
    assert "it reaches back to" in answer["checks"][0]["summary"]
    log.write_text("".join(traditional(failed(), minutes=minutes) for minutes in (700, 600, 5)))
    answer = run_module("auth_failures", options, env=env)
    assert [row["source"] for row in answer["sources"]] == [str(log)] and answer["totals"]["failures"] == 3
    # A file to which nobody writes any more knows nothing of today.
    os.utime(log, (0, time.time() - 3600))
    assert [row["source"] for row in run_module("auth_failures", options, env=env)["sources"]] == ["journal"]
    log.write_text(traditional(failed(), minutes=4))
    assert [row["source"] for row in run_module("auth_failures", options, env=env)["sources"]] == ["journal"]
    assert run_module("auth_failures", {**options, "source": "journal"}, env=env)["totals"]["failures"] == 1


@pytest.mark.parametrize(
    ("minutes", "hours", "status"),
    [
        (180, 2, "ok"), (120, 2.5, "ok"),  # it begins with the host, or within the hour
        (120, 4, "unknown"), (120, 24 * 400, "unknown"),  # it was full, or somebody emptied it
        (1500, 24 * 400, "ok"), (1430, 24 * 400, "ok"),  # it holds the day, or all but some minutes
    ],
)
def test_what_a_journal_has_let_go_is_unknown(tmp_path: Path, minutes: float, hours: float, status: str) -> None:
    answer = by_journal(tmp_path, [entry("x", minutes=minutes), entry(failed())], {"source": "journal"}, hours=hours)
    assert rows(answer, "auth.source") == {"journal": status} and answer["totals"]["failures"] == 1
    assert ("is gone" in answer["checks"][0]["summary"]) == (status == "unknown")


def test_a_forged_entry_hides_no_unreadable_ones(tmp_path: Path) -> None:
    entries = [entry(f"Accepted password for root from {A} port 22 ssh2", _UID="1000", _EXE="/usr/bin/logger"), *["{broken"] * 20]
    answer = by_journal(tmp_path, entries, {"source": "journal"})
    assert rows(answer, "auth.source")["journal"] == "unknown"
    assert "20 of 21 lines" in answer["checks"][0]["summary"] and "1 message in the name of sshd" in answer["checks"][0]["summary"]


def test_times_outside_of_all_calendars(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    for first in ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59Z"):
        log.write_text(f"{first} host sshd[7]: {failed()}\n" + iso(failed()))
        answer = run(source="files", paths=[str(log)])
        assert (answer["totals"]["failures"], answer["sources"][0]["unparsed"]) == (1, 1)
    os.utime(log, (0, 2**37))
    assert run(source="files", paths=[str(log)])["totals"]["failures"] == 1
    entries = [entry(failed(), __REALTIME_TIMESTAMP=moment) for moment in ("9" * 18, "9" * 400, "-1" + "0" * 17)]
    answer = by_journal(tmp_path, [entry(failed(), minutes=3000), *entries, entry(failed())], {"source": "journal"})
    assert (answer["totals"]["failures"], answer["sources"][0]["unparsed"]) == (1, 3)
    assert "is no time" in run(since="0001-01-01T00:00:00+05:00")["msg"]
    assert "years ahead" in run(until="9999-12-31T23:59:59Z", paths=[str(log)])["msg"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'No journal files were found.' >&2; exit 1", "there is no journal on this host"),
        ("echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1", "this user may not read the journal"),
        ("echo 'Hint: You are currently not seeing messages from other users and the system.' >&2", "only its own messages"),
        ("echo 'Failed to add match' >&2; exit 1", "journalctl failed (Failed to add match)"),
        ("sleep 60", "did not end within 0.3 seconds"),
    ],
)
def test_a_journal_that_cannot_be_read(tmp_path: Path, script: str, said: str) -> None:
    answer = run_module("auth_failures", {"source": "journal", "timeout_seconds": 0.3 if "sleep" in script else 60}, env=journalctl(tmp_path, script))
    assert (answer["status"], [row["check"] for row in answer["checks"]]) == ("unknown", ["auth.source"])
    assert said in answer["checks"][0]["summary"]
    # Files answer where there is no journal; a journal that is closed to us is missed when they are silent.
    log = tmp_path / "auth.log"
    log.write_text(iso(failed()))
    options = {"paths": [str(log)], "timeout_seconds": 0.3 if "sleep" in script else 60}
    answer = run_module("auth_failures", options, env=journalctl(tmp_path, script))
    assert (answer["status"], answer["totals"]["failures"]) == ("ok", 1)


def test_without_journalctl(tmp_path: Path) -> None:
    answer = run_module("auth_failures", {"source": "journal"}, env={"PATH": str(tmp_path)})
    assert "journalctl cannot be run (journalctl: No such file or directory)" in answer["checks"][0]["summary"]
    both = run_module("auth_failures", {"paths": [str(tmp_path / "none")]}, env={"PATH": str(tmp_path)})
    assert rows(both, "auth.source") == {"journal": "unknown", str(tmp_path / "none"): "unknown"}


def test_a_large_journal_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "entry").write_text(entry(failed()) + "\n" + "x" * 300_000 + "\n")
    env = journalctl(tmp_path, f"cat {tmp_path}/entry; while :; do cat {tmp_path}/entry; done")
    answer = run_module("auth_failures", {"source": "journal", "max_bytes": 2_000_000}, env=env)
    assert answer["status"] == "unknown" and answer["totals"]["failures"] >= 6
    assert "more than max_bytes" in answer["checks"][0]["summary"]


def test_wrong_options_are_refused_in_words() -> None:
    assert run(allow=["192.0.2.0/24", "nonsense"])["msg"].startswith("allow[1]: 'nonsense' is no address")
    assert run(since="yesterday")["msg"].startswith("since: 'yesterday' is no time")
    assert run(since="2026-01-02T00:00:00Z", until="2026-01-01T00:00:00Z")["msg"].startswith("since is not before until")
    assert run(warning_sudo=9, critical_sudo=8)["msg"].startswith("warning_sudo is 9, above critical_sudo")
    assert run(paths=["auth.log"])["failed"] is True
    assert run(timeout_seconds=0)["msg"].startswith("timeout_seconds: 0 is not accepted")
