"""Finding and reading files: whatever lies there gives a result at once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates import files
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.files import find_files, read_bounded
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable


def reason(path: Path | str) -> str:
    with pytest.raises(Unreadable) as unreadable:
        read_bounded(str(path))
    return str(unreadable.value)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 200_000)
    (tmp_path / "link").symlink_to(path)
    assert read_bounded(str(tmp_path / "link")) == b"x" * 200_000


def test_what_is_no_readable_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert reason(tmp_path / "socket") == "is a socket, not a file with certificates"
    assert reason(tmp_path / "empty") == "is empty"
    assert reason(tmp_path / "loop") == "is a loop of links"
    assert reason(tmp_path / "dangling") == "does not exist"
    assert reason(tmp_path / "missing") == "does not exist"
    assert reason(tmp_path / "empty" / "below") == "does not exist: a part of the path is no folder"
    assert reason(tmp_path / "pipe") == "is a pipe, not a file with certificates"
    assert reason(tmp_path) == "is a folder, not a file with certificates"
    assert reason("/dev/zero") == "is a device, not a file with certificates"
    assert reason(tmp_path / ("x" * 300)).startswith("could not be read (")


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    assert reason(tmp_path / "large") == "has 300 MiB, and a file with certificates has at most 8 MiB"
    # Its size is said to be 0, and it never ends.
    if os.path.exists("/proc/self/mem"):
        assert reason("/proc/self/mem").startswith("could not be read")


def test_a_file_that_grows_while_it_is_read_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    whole = os.read

    def grown(descriptor: int, count: int) -> bytes:
        with open(tmp_path / "a", "ab") as stream:
            stream.write(b"x" * 1000)
        return whole(descriptor, count)

    monkeypatch.setattr(files.os, "read", grown)
    with pytest.raises(Unreadable, match="a file with certificates has at most"):
        read_bounded(str(tmp_path / "a"), 500)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """Also where the tests run as root, which may read everything: another user looks then."""
    path = tmp_path / "secret.pem"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.geteuid() != 0:
        assert reason(path) == "may not be read by this user"
        return
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest-"):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    os.seteuid(65534)
    try:
        assert reason(path) == "may not be read by this user"
    finally:
        os.seteuid(0)


def test_a_folder_that_may_not_be_listed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pem").touch()
    (tmp_path / "closed").mkdir()
    whole = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(Unreadable) as unreadable:
        find_files(str(tmp_path))
    expected = f"has a folder that cannot be listed ({tmp_path}/closed): it may not be read by this user"
    assert str(unreadable.value) == expected


def test_files_folders_and_wildcards(tmp_path: Path) -> None:
    for name in ("live/a/fullchain.pem", "live/b/fullchain.pem", "live/b/privkey.pem", "live/README", "live/b/x.CRT"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    live = str(tmp_path / "live")
    assert find_files(f"{live}/README") == ([f"{live}/README"], [])
    assert find_files(f"{live}/*/fullchain.pem") == ([f"{live}/a/fullchain.pem", f"{live}/b/fullchain.pem"], [])
    everything = [f"{live}/a/fullchain.pem", f"{live}/b/fullchain.pem", f"{live}/b/privkey.pem", f"{live}/b/x.CRT"]
    assert find_files(live) == ([], everything)
    assert find_files(f"{tmp_path}/l*") == ([], everything)
    # A folder that leads back into itself is no way round.
    (tmp_path / "live/again").symlink_to(tmp_path / "live")
    assert find_files(live) == ([], everything)


def test_wildcards_for_any_folders_end_where_links_lead_back(tmp_path: Path) -> None:
    below = tmp_path / "one" / "two"
    below.mkdir(parents=True)
    for path in (tmp_path / "a.pem", below / "a.pem", below / "b[1].pem"):
        path.write_text("x")
    for name in "abc":
        (tmp_path / "one" / name).symlink_to("..")
    assert find_files(f"{tmp_path}/**/a.pem")[0] == [str(tmp_path / "a.pem"), str(below / "a.pem")]
    assert find_files(f"{tmp_path}/**/two/*.pem")[0] == [str(below / "a.pem"), str(below / "b[1].pem")]
    with pytest.raises(Unreadable, match="matches nothing"):
        find_files(f"{tmp_path}/**/**/*.none")


def test_a_name_with_a_wildcard_character_is_a_name_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "a[1].pem").touch()
    assert find_files(f"{tmp_path}/a[1].pem") == ([f"{tmp_path}/a[1].pem"], [])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{}/*.pem", "matches nothing"),
        ("{}/nowhere/*/a.pem", "matches nothing: {}/nowhere does not exist"),
        ("{}", "holds no file that is called like one with certificates"),
    ],
)
def test_nothing_found_is_said_with_the_reason(tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        find_files(given.format(tmp_path))
    assert str(unreadable.value).startswith(said.format(tmp_path))


def test_too_many_files_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.pem").touch()
    for given in (f"{tmp_path}/*", str(tmp_path)):
        with pytest.raises(Unreadable, match="more than 3 files"):
            find_files(given)
