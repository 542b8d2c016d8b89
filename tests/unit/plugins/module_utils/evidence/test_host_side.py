"""What is read on the host: which files, what of them, and that nothing of the host is opened that should not be."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence import reading, state_sources
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.journal_pages import journal_page
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.metadata import body_line, metadata_page
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.mounts import avoided_mounts, avoided_type
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.paths import named, path_of
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.process_rows import processes_page
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.reading import LeftOut
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.secret_files import holds_private_key, is_secret
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.evidence.collected import ask

PROC = Path("/proc")


def raw(path: Path | str) -> str:
    return named(os.fsencode(path))["raw"]


def data_of(piece: dict[str, Any]) -> bytes:
    data = zlib.decompress(base64.b64decode(piece["data"]))
    assert (len(data), hashlib.sha256(data).hexdigest()) == (piece["bytes"], piece["sha256"])
    return data


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/opt/app/.env", True), ("/opt/app/.env.production", True), ("/opt/app/prod.env", True), ("/opt/app/.ENV", True),
        ("/root/.ssh/id_ed25519", True), ("/root/.ssh/id_rsa.bak", True), ("/root/.ssh/id_ed25519.pub", False),
        ("/root/.ssh/authorized_keys", False), ("/etc/ssh/ssh_host_rsa_key", True), ("/etc/ssh/ssh_host_rsa_key.pub", False),
        ("/etc/ssh/sshd_config", False), ("/etc/shadow", True), ("/etc/shadow-", True), ("/etc/passwd", False),
        ("/etc/ssl/private/site.pem", True), ("/etc/ssl/certs/site.pem", False), ("/home/ada/.aws/config", True),
        ("/home/ada/.bash_history", True), ("/home/ada/.bashrc", False), ("/etc/environment", True), ("/var/log/auth.log", False),
        ("/home/ada/.gnupg/x/y", True), ("/home/ada/.netrc", True),
    ],
)
def test_secrets_by_their_names(path: str, secret: bool) -> None:
    assert is_secret(path.encode()) is secret


def test_private_keys_by_their_contents() -> None:
    assert holds_private_key(b"x\n-----BEGIN OPENSSH PRIVATE KEY-----\n") and not holds_private_key(b"-----BEGIN PUBLIC KEY-----")


def test_a_listing_names_every_file_once_and_what_is_left_out(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below/.hidden").mkdir(parents=True)
    for name in ("a.log", ".dot.log", "below/.hidden/deep", "below/.env", "large"):
        (tree / name).write_text(name)
    os.truncate(tree / "large", 5000)
    (tmp_path / "elsewhere").write_text("led to")
    (tree / "link").symlink_to(tmp_path / "elsewhere")
    (tree / "dangling").symlink_to("nowhere")
    (tree / "folder").symlink_to(tmp_path)
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "socket"))
        found = ask(ask="list", paths=[str(tree), f"{tree}/*.log", f"{tmp_path}/none*"], max_file_bytes=4096, exclude=["*/deep"])
    names = {file["path"].removeprefix(f"{tmp_path}/"): file["content"] for file in found["files"]}
    assert names == {"tree/.dot.log": True, "tree/a.log": True, "tree/below/.env": False, "elsewhere": True}
    left = {row["path"].removeprefix(f"{tmp_path}/"): (row["kind"], row["reason"]) for row in found["left_out"]}
    assert left == {
        "tree/large": ("size", "has 5000 bytes, more than 4096"), "tree/link": ("kind", f"is a link to {tmp_path}/elsewhere"),
        "tree/dangling": ("kind", "is a link to nowhere"), "tree/folder": ("kind", f"is a link to {tmp_path}"),
        "tree/pipe": ("kind", "is a pipe"), "tree/socket": ("kind", "is a socket"),
        "tree/below/.hidden/deep": ("kind", "is excluded, or taken in another way"), "none*": ("absent", "is not there"),
    }
    few = ask(ask="list", paths=[str(tree)], max_files=2)
    assert len(few["files"]) == 2 and {row["kind"] for row in few["left_out"]} == {"kind", "number"}
    assert all(file["content"] for file in ask(ask="list", paths=[str(tree)], secrets=True)["files"])
    assert ask(ask="list", paths=["/proc/kmsg", "/sys/kernel"])["files"] == []
    with pytest.raises(UpkeepError, match="no absolute path"):
        ask(ask="list", paths=["etc/passwd"])


@pytest.mark.parametrize("name", [b"new\nline", b"\xff\xfe", b"..", b"x" * 255, b"-rf *", "ümläut\u202e".encode()])
def test_a_hostile_name_survives_exactly(tmp_path: Path, name: bytes) -> None:
    path = os.fsencode(tmp_path) + b"/" + (name if name != b".." else b"..x")
    Path(os.fsdecode(path)).write_bytes(b"content")
    (file,) = ask(ask="list", paths=[str(tmp_path)])["files"]
    assert path_of(file["raw"]) == path and file["path"].isprintable()
    (read,) = ask(ask="read", reads=[{"raw": file["raw"], "length": 100}])["reads"]
    assert data_of(read) == b"content"


def test_what_is_no_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    opened: list[int] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, *more, **keys: (opened.append(flags), real(path, flags, *more, **keys))[1])
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero"), tmp_path):
        (read,) = ask(ask="read", reads=[{"raw": raw(path), "length": 10}])["reads"]
        assert read["left_out"]["kind"] == "kind", path
    assert all(flags & os.O_PATH for flags in opened)
    assert ask(ask="read", reads=[{"raw": raw(tmp_path / "gone"), "length": 1}])["reads"][0]["left_out"]["kind"] == "vanished"


def test_a_folder_that_was_exchanged_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("not this")
    (tmp_path / "logs").symlink_to("secret")
    (read,) = ask(ask="read", reads=[{"raw": raw(tmp_path / "logs/file"), "length": 10}])["reads"]
    assert "exchanged" in read["left_out"]["reason"] and "data" not in read


def test_pieces_and_whole_checksums(tmp_path: Path) -> None:
    content = os.urandom(10_000)
    (tmp_path / "file").write_bytes(content)
    os.utime(tmp_path / "file", (1, 1))
    first, rest, beyond = ask(ask="read", reads=[
        {"raw": raw(tmp_path / "file"), "offset": at, "length": 6000} for at in (0, 6000, 20_000)
    ])["reads"]
    assert data_of(first) + data_of(rest) == content and beyond["bytes"] == 0
    (whole,) = ask(ask="read", reads=[{"raw": raw(tmp_path / "file"), "length": 10_000, "content": False}])["reads"]
    assert whole["sha256"] == hashlib.sha256(content).hexdigest() and "data" not in whole
    assert (tmp_path / "file").stat().st_atime == 1, "the time of the last access was changed"
    (tmp_path / "key").write_text("-----BEGIN RSA PRIVATE KEY-----")
    key = {"raw": raw(tmp_path / "key"), "length": 100}
    (left,) = ask(ask="read", reads=[key])["reads"]
    assert left["left_out"]["kind"] == "secret" and "data" not in left and left["bytes"] == 31
    assert data_of(ask(ask="read", reads=[key], secrets=True)["reads"][0]).startswith(b"-----")
    with pytest.raises(UpkeepError, match="more is asked for"):
        ask(ask="read", reads=[{"raw": raw(tmp_path / "file"), "length": 5000}], chunk_bytes=4096)
    with pytest.raises(UpkeepError, match="no path"):
        path_of("aGVsbG8=")


def test_a_file_that_changes_while_it_is_read_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"before")
    real = reading._read

    def slow(descriptor: int, offset: int, length: int) -> bytes:
        data = real(descriptor, offset, length)
        (tmp_path / "file").write_bytes(b"after it")
        return data

    monkeypatch.setattr(reading, "_read", slow)
    assert ask(ask="read", reads=[{"raw": raw(tmp_path / "file"), "length": 6}])["reads"][0]["changed"] is True


def test_a_body_line_cannot_be_broken() -> None:
    status = os.stat_result((stat.S_IFREG | 0o644, 7, 1, 1, 0, 5, 100, 10, 20, 30))
    assert body_line(b"/a|b\n\\c\xff", status) == b"0|/a\\x7cb\\x0a\\x5cc\\xff|7|-rw-r--r--|0|5|100|10|20|30|0\n"
    assert body_line("/ü".encode(), status, b"/target").startswith("0|/ü -> /target|".encode())


def test_pages_of_metadata_are_the_whole(tmp_path: Path) -> None:
    for name in ("a", "a-b", "b"):
        for number in range(3):
            (tmp_path / name / f"folder{number}").mkdir(parents=True)
            for file in range(4):
                (tmp_path / name / f"folder{number}" / f"file{file}").write_text("")
    whole, count, problems, after = metadata_page([os.fsencode(tmp_path), b"/nowhere"], {}, None, 10**6)
    assert after is None and count == 1 + 3 + 9 + 36 and [path for path, _exc in problems] == [b"/nowhere"]
    parts, after, pages = b"", None, 0
    while True:
        part, _count, _problems, after = metadata_page([os.fsencode(tmp_path), b"/nowhere"], {}, after, 200)
        parts, pages = parts + part, pages + 1
        if after is None:
            break
    assert sorted(parts.splitlines()) == sorted(whole.splitlines()) and pages > 10
    cut, _count, _problems, _after = metadata_page([os.fsencode(tmp_path)], {os.fsencode(tmp_path / "a"): "nfs"}, None, 10**6)
    assert b"/a/" not in cut and b"/a-b/" in cut


def test_mounts_that_are_avoided() -> None:
    info = (
        b"1 0 8:1 / / rw - fuse.overlayfs x rw\n2 1 0:5 / /proc rw - proc proc rw\n3 1 0:6 / /mnt/with\\040space rw - nfs4 host:/x rw\n"
        b"4 1 8:2 / /home rw - ext4 /dev/sda2 rw\n5 1 0:7 / /home/net rw - fuse.sshfs x rw\n6 1 0:8 / /tmp rw - tmpfs tmpfs rw\nbroken\n"
    )
    mounts = avoided_mounts(info)
    assert mounts == {b"/proc": "proc", b"/mnt/with space": "nfs4", b"/home/net": "fuse.sshfs"}
    assert [avoided_type(path, mounts) for path in (b"/proc/1/mem", b"/mnt/with space", b"/home/network", b"/home/net/x", b"/")] == [
        "proc", "nfs4", "", "fuse.sshfs", "",
    ]


def test_a_process_with_its_environment_names_alone(tmp_path: Path) -> None:
    with open(tmp_path / "open", "wb") as stream, subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", "an argument"], env={"PASSWORD": "hunter2", "HOME": "/"}, cwd="/", stdin=stream
    ) as process:
        try:
            page = b""
            for _turn in range(100):
                page, after = processes_page(PROC, process.pid - 1, 1)
                if b"an argument" in page:
                    break
                time.sleep(0.05)
            assert after == process.pid and b"hunter2" not in page
            row = json.loads(page)
        finally:
            process.kill()
    assert row["environment_names"] == ["PASSWORD", "HOME"] and row["cmdline"][-1] == "an argument" and row["cwd"] == "/"
    assert row["open_files"]["0"] == str(tmp_path / "open") and not row["exe_deleted"]
    assert row["exe_sha256"] == hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()
    assert any(row["exe"] in line for line in row["maps"]) and row["status"].startswith("Name:")
    assert processes_page(PROC, 2**30, 10**6) == (b"", None)


def test_all_processes_page_by_page() -> None:
    pids, after, pages = set(), "", 0
    while after is not None:
        answer = ask(ask="processes", cursor=after, chunk_bytes=4096)
        pids |= {json.loads(line)["pid"] for line in data_of(answer["pieces"][0]).splitlines()}
        after, pages = answer["cursor"], pages + 1
    assert {1, os.getpid()} <= pids and pages > 1


@pytest.mark.parametrize("item", ["network", "modules", "mounts", "sessions"])
def test_sources_of_the_state(item: str) -> None:
    names, after, turns = [], "", 0
    while after is not None and turns < 200:
        answer = ask(ask="state", item=item, cursor=after, chunk_bytes=4096)
        names += [(piece["name"], len(data_of(piece))) for piece in answer["pieces"]]
        after, turns = answer["cursor"], turns + 1
    assert len(names) == len({name for name, _size in names})
    assert item == "sessions" or dict(names)[{"network": "net-tcp", "modules": "version", "mounts": "mountinfo"}[item]] > 10


def test_sources_that_do_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_sources, "SEARCH_PATH", str(tmp_path))
    source = state_sources.Source("x", argv=("tool", "list"))
    with pytest.raises(LeftOut, match="tool is not installed"):
        state_sources.read_source(source)
    (tmp_path / "tool").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    (tmp_path / "tool").chmod(0o755)
    with pytest.raises(LeftOut, match="could not be asked: broken"):
        state_sources.read_source(source)
    (tmp_path / "tool").write_text("#!/bin/sh\nyes\n")
    monkeypatch.setattr(state_sources, "_COMMAND_SECONDS", 0.3)
    with pytest.raises(LeftOut, match="did not answer in time"):
        state_sources.read_source(source)
    monkeypatch.setattr(state_sources, "MAX_SOURCE_BYTES", 10)
    (tmp_path / "long").write_text("x" * 100)
    assert state_sources.read_source(state_sources.Source("x", str(tmp_path / "long"))) == (b"x" * 10, True, {})


JOURNAL = """#!/bin/sh
case "$*" in *--after-cursor=c*) from=$(echo "$*" | sed 's/.*cursor=c//');; *) from=0;; esac
for n in $(seq $((from + 1)) 40); do printf '{"__CURSOR":"c%s","MESSAGE":"%01000d"}\\n' "$n" 0; done
"""


def test_the_journal_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "journalctl"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeftOut, match="not installed"):
        journal_page(0, 1, "", 5000)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    program.write_text(JOURNAL)
    program.chmod(0o755)
    lines, cursor, pages = b"", "", 0
    while cursor is not None:
        page, cursor, long = journal_page(0, 1, cursor, 5000)
        assert (not page or page.endswith(b"\n")) and not long
        lines, pages = lines + page, pages + 1
    assert [json.loads(line)["__CURSOR"] for line in lines.splitlines()] == [f"c{n}" for n in range(1, 41)] and pages > 1
    program.write_text("#!/bin/sh\necho 'Failed to open' >&2\nexit 1\n")
    assert ask(ask="journal", since=0, until=1)["left_out"][0]["reason"] == "could not be read: Failed to open"


def test_an_endless_entry_of_the_journal_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journalctl").write_text("#!/bin/sh\nprintf '{\"__CURSOR\":\"c9\",\"MESSAGE\":\"'\nexec cat /dev/zero\n")
    (tmp_path / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    assert journal_page(0, 1, "", 5000) == (b"", "c9", 1)


def test_the_clock() -> None:
    clock = ask(ask="clock")["clock"]
    assert abs(clock["time"] - time.time()) < 60 and clock["boot_id"] and clock["uptime_seconds"] > 0
