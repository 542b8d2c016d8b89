"""Where sshd looks for keys, and whether others may add some."""

from __future__ import annotations

import os

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accounts import read_accounts
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.key_files import USUAL, KeyFile, read_key_files, read_settings
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_review.prepared_host import ED, PASSWD, Place


def files(place: Place) -> list[KeyFile]:
    host = Host(str(place.root))
    # As root the files belong to 0, who may have them; as another user they belong to the account that is asked of.
    passwd = PASSWD.replace("x:1000:", f"x:{os.geteuid() or 1000}:")
    return read_key_files(host, read_accounts(passwd.encode())[0], read_settings(host))


def test_the_usual_places_of_every_account(place: Place) -> None:
    place.write("/home/ada/.ssh/authorized_keys", ED, 0o600)
    place.write("/home/ada/.ssh/authorized_keys2", ED, 0o600)
    place.write("/root/.ssh/authorized_keys", "", 0o600)
    found = files(place)
    assert [(file.account, os.path.basename(file.path), len(file.keys), file.writable) for file in found if file.account == "ada"] == [
        ("ada", "authorized_keys", 1, ""), ("ada", "authorized_keys2", 1, ""),
    ]  # fmt: skip
    assert "/root/.ssh/authorized_keys" in [file.path for file in found]


@pytest.mark.parametrize(
    ("configuration", "patterns", "command"),
    [
        ("", USUAL, ""),
        ("#AuthorizedKeysFile x\n", USUAL, ""),
        ("authorizedkeysfile /etc/keys/%u %h/k\nMatch User ada\n  AuthorizedKeysFile=/other\n", ("/etc/keys/%u", "%h/k", "/other"), ""),
        ("AuthorizedKeysFile none\nAuthorizedKeysCommand /usr/bin/ask %u\n", (), "/usr/bin/ask"),
        ("AuthorizedKeysCommand none\n", USUAL, ""),
        ('AuthorizedKeysCommand ""\n', USUAL, ""),
        # What is set for some leaves the usual places to everybody else.
        ("Match User git\nAuthorizedKeysFile /srv/git/keys\n", (*USUAL, "/srv/git/keys"), ""),
        ("Match User git\nMatch all\nAuthorizedKeysFile /keys\n", ("/keys",), ""),
    ],
)
def test_what_sshd_is_told(place: Place, configuration: str, patterns: tuple[str, ...], command: str) -> None:
    place.write("/etc/ssh/sshd_config.d/a.conf", configuration)
    place.write("/etc/ssh/sshd_config.d/b.txt", "AuthorizedKeysFile /never\n")
    place.write("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nInclude sshd_config\n")
    settings = read_settings(Host(str(place.root)))
    assert (settings.patterns, settings.command, settings.problem) == (patterns, command, "")


def test_tokens_name_the_account(place: Place) -> None:
    place.write("/etc/ssh/sshd_config", "AuthorizedKeysFile /etc/keys/%u %h/%%/%U\n")
    place.write("/etc/keys/ada", ED)
    place.write(f"/home/ada/%/{os.geteuid() or 1000}", ED)
    assert [len(file.keys) for file in files(place)] == [1, 1]


@pytest.mark.parametrize(("what", "mode"), [("authorized_keys", 0o620), ("authorized_keys", 0o602), ("", 0o777), ("..", 0o775)])
def test_who_else_may_write_is_told(place: Place, what: str, mode: int) -> None:
    path = place.write("/home/ada/.ssh/authorized_keys", ED, 0o600)
    (path.parent / what).chmod(mode)
    assert f"{mode:04o}" in files(place)[0].writable


def test_hostile_files_are_unseen_and_nothing_hangs(place: Place) -> None:
    folder = place.write("/home/ada/.ssh/x", "").parent
    os.mkfifo(folder / "authorized_keys")
    (folder / "authorized_keys2").write_bytes(b"\0" * (4 * 1024 * 1024 + 1))
    assert [file.problem for file in files(place)] == ["is no regular file", "has more than 4194304 bytes"]
    (folder / "authorized_keys").unlink()
    (folder / "authorized_keys").symlink_to("/dev/zero")
    (folder / "authorized_keys2").unlink()
    (folder / "authorized_keys2").symlink_to("authorized_keys2")
    assert [file.problem.split(" (")[0] for file in files(place)] == ["is no regular file", "could not be read"]


def test_another_file_behind_a_link_is_read_and_not_shown(place: Place) -> None:
    place.write("/home/ada/.ssh/x", "")
    (place.root / "home/ada/.ssh/authorized_keys").symlink_to(place.root / "etc/shadow")
    (file,) = files(place)
    assert file.keys == [] and len(file.odd) == 5


def test_what_sshd_is_told_elsewhere_is_never_left_out_silently(place: Place) -> None:
    place.write("/etc/ssh/sshd_config", "Match User x\nInclude more\nMatch all\nInclude /etc/*/y\nTrustedUserCAKeys /etc/ssh/ca.pub\n")
    place.write("/etc/ssh/more", "AuthorizedKeysFile /of/some\n")
    settings = read_settings(Host(str(place.root)))
    assert settings.patterns == (*USUAL, "/of/some") and settings.authorities == ["/etc/ssh/ca.pub"]
    assert settings.problem == "/etc/ssh/sshd_config includes /etc/*/y, and wildcards of folders were not looked at"
    place.write("/etc/ssh/sshd_config", "Include chain*\n")
    for number in range(101):
        place.write(f"/etc/ssh/chain{number}", "")
    assert "more than 100 files" in read_settings(Host(str(place.root))).problem


def test_a_file_with_too_many_lines_is_unseen_and_hides_no_key(place: Place) -> None:
    place.write("/home/ada/.ssh/authorized_keys", "\n" * 10_001 + ED, 0o600)
    assert [file.problem for file in files(place)] == ["has more than 10000 lines, and was not looked at"]


def test_folders_outside_of_the_home_are_looked_at(place: Place) -> None:
    place.write("/etc/ssh/sshd_config", "AuthorizedKeysFile /keys/%u\n")
    path = place.write("/keys/ada", ED)
    path.parent.chmod(0o777)
    assert "its folder /keys" in files(place)[0].writable
