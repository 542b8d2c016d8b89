"""Who may read or exchange a file with secrets: modes, owners, groups, folders, links and hostile names."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration import secret_files
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.secret_files import (
    USUAL,
    Secret,
    inspect_secrets,
    judge_file,
    read_secrets,
)

as_root = pytest.mark.usefixtures("root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder to which no way leads that others may write; that of a test lies in one with the sticky bit."""
    tmp_path.chmod(0o755)
    return tmp_path


def made(path: Path, mode: int = 0o600) -> str:
    path.write_text("SECRET=1")
    path.chmod(mode)
    return str(path)


def judged(path: str, **secret: Any) -> list[tuple[str, str, str]]:
    return [(one.rule, one.subject, one.status) for one in judge_file(path, Secret(path, **secret))]


@pytest.mark.parametrize(
    ("mode", "rule", "status"),
    [
        (0o600, "others", "ok"), (0o400, "others", "ok"), (0o700, "others", "ok"), (0o604, "others", "critical"), (0o602, "others", "critical"),
        (0o666, "others", "critical"), (0o601, "others", "ok"), (0o000, "others", "ok"),
    ],
)  # fmt: skip
def test_modes(folder: Path, mode: int, rule: str, status: str) -> None:
    path = made(folder / ".env", mode)
    assert judged(path) == [(f"secrets.{rule}", path, status)]


@as_root
@pytest.mark.parametrize(
    ("group", "mode", "asked", "status"),
    [
        ("daemon", 0o640, "", "warning"), ("daemon", 0o640, "daemon", "ok"), ("daemon", 0o660, "daemon", "warning"), ("daemon", 0o640, "mail", "warning"),
        ("root", 0o640, "", "ok"), ("daemon", 0o600, "", "ok"), ("daemon", 0o610, "", "ok"), ("", 0o640, "", "warning"),
    ],
)  # fmt: skip
def test_groups(folder: Path, group: str, mode: int, asked: str, status: str) -> None:
    path = made(folder / "key", mode)
    os.chown(path, 0, pwd.getpwnam(group).pw_gid if group else 59_999)
    ((_rule, _subject, found),) = judged(path, group=asked)
    assert found == status


@as_root
def test_a_group_with_no_other_member_than_the_owner_is_harmless(folder: Path) -> None:
    path = made(folder / "key", 0o640)
    daemon = pwd.getpwnam("daemon")
    os.chown(path, daemon.pw_uid, daemon.pw_gid)
    assert [status for _rule, _subject, status in judged(path)] == ["ok"]


@as_root
def test_owners(folder: Path) -> None:
    path = made(folder / "key")
    assert judged(path, owner="daemon") == [("secrets.others", path, "ok")], "root may own everything"
    os.chown(path, pwd.getpwnam("mail").pw_uid, 0)
    assert judged(path, owner="daemon") == [("secrets.owner", f"{path} (owner)", "warning")]
    assert judged(path) == [("secrets.others", path, "ok")]


@as_root
def test_folders_in_which_others_may_exchange_the_file(folder: Path) -> None:
    inner = folder / "deep" / "inner"
    inner.mkdir(parents=True)
    path = made(inner / ".env")
    assert [status for _rule, _subject, status in judged(path)] == ["ok"]
    (folder / "deep").chmod(0o777)
    assert judged(path) == [("secrets.folder", str(folder / "deep"), "critical")]
    (folder / "deep").chmod(0o1777)
    assert [status for _rule, _subject, status in judged(path)] == ["ok"], "with the sticky bit nobody can"
    (folder / "deep").chmod(0o755)
    os.chown(inner, pwd.getpwnam("mail").pw_uid, 0)
    assert judged(path) == [("secrets.folder", str(inner), "critical")]
    os.chown(path, pwd.getpwnam("mail").pw_uid, 0)
    assert [status for _rule, _subject, status in judged(path)] == ["ok"], "it is the folder of its owner"
    os.chown(inner, 0, pwd.getpwnam("daemon").pw_gid)
    inner.chmod(0o775)
    assert judged(path) == [("secrets.folder", str(inner), "critical")]


def test_links_are_followed(folder: Path) -> None:
    target = made(folder / "real", 0o644)
    (folder / "link").symlink_to(target)
    assert judged(str(folder / "link")) == [("secrets.others", str(folder / "link"), "critical")]
    (folder / "nowhere").symlink_to(folder / "missing")
    (folder / "loop").symlink_to(folder / "loop")
    for name in ("nowhere", "loop"):
        assert judged(str(folder / name)) == [("secrets", str(folder / name), "unknown")]


@as_root
def test_a_link_into_a_folder_of_others_is_found(folder: Path) -> None:
    (folder / "open").mkdir()
    made(folder / "open" / "real")
    (folder / "open").chmod(0o777)
    (folder / "link").symlink_to(folder / "open" / "real")
    assert judged(str(folder / "link")) == [("secrets.folder", str(folder / "open"), "critical")]


def test_what_is_no_file_is_said_and_never_opened(folder: Path) -> None:
    os.mkfifo(folder / ".env")
    assert judged(str(folder / ".env")) == [("secrets.kind", str(folder / ".env"), "warning")]
    (folder / "private").mkdir()
    assert judged(str(folder / "private")) == []
    assert judged(str(folder / "missing")) == []
    assert judged("/a\0b")[0][2] == "unknown"


def test_patterns(folder: Path) -> None:
    for name in (".env", ".env.local", ".env.example", "id_x.pub"):
        made(folder / name, 0o644)
    secrets = read_secrets([{"path": f"{folder}/.env*"}, {"path": f"{folder}/id_*"}, {"path": f"{folder}/.env", "optional": True},
                            {"path": f"{folder}/no*"}, {"path": f"{folder}/none", "optional": True}], usual=False)  # fmt: skip
    findings, figures = inspect_secrets(secrets, ["*.example"])
    assert sorted((one.subject.rpartition("/")[2], one.status) for one in findings) == [
        (".env", "critical"), (".env.local", "critical"), ("no*", "unknown"),
    ]  # fmt: skip
    assert figures == {"files": 2}


def test_a_folder_of_names_that_nobody_would_choose(folder: Path) -> None:
    for name in (b"\xff\xfe.key", b"\x1b[2J.key", b"a\nb.key", b"-rf *.key"):
        path = os.fsencode(folder) + b"/" + name
        with open(path, "wb"):
            os.chmod(path, 0o644)
    findings, _figures = inspect_secrets([Secret(f"{folder}/*.key")], [])
    rows = [one.row() for one in findings]
    assert [row["status"] for row in rows] == ["critical"] * 4
    for row in rows:
        assert (row["subject"] + row["summary"] + row["hint"]).isprintable()
        row["subject"].encode()


def test_more_files_than_are_looked_at_are_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_files, "MAX_FILES", 3)
    for number in range(5):
        made(folder / f"{number}.key")
    findings, figures = inspect_secrets([Secret(f"{folder}/*.key", optional=True)], [])
    assert figures == {"files": 3} and [one.status for one in findings].count("unknown") == 1


def test_a_path_must_be_absolute_and_the_usual_ones_come_last() -> None:
    with pytest.raises(UpkeepError, match=r"secrets\[0\].path: '.env' is not accepted"):
        read_secrets([{"path": ".env"}], usual=True)
    read = read_secrets([{"path": "/etc/shadow", "owner": None, "group": "x"}], usual=True)
    assert read[0] == Secret("/etc/shadow", "", "x", False) and len(read) == len(USUAL)
    assert all(secret.optional for secret in read[1:])


def test_the_usual_secrets_of_this_host_are_looked_at() -> None:
    findings, figures = inspect_secrets(read_secrets([], usual=True), [])
    assert figures["files"] >= 1 and not [one for one in findings if one.rule == "secrets.kind"]
