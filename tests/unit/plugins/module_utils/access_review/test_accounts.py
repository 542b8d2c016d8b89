"""Accounts and the state of their passwords, told from the bytes of the files."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accounts import (
    EMPTY,
    LOCKED,
    NONE,
    SET,
    UNKNOWN,
    Account,
    add_groups,
    add_passwords,
    is_open_to_directories,
    read_accounts,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_review.prepared_host import GROUP, PASSWD, SECRET, SHADOW


def accounts(passwd: str = PASSWD) -> list[Account]:
    return read_accounts(passwd.encode())[0]


@pytest.mark.parametrize(
    ("field", "state", "weak"),
    [
        (SECRET, SET, False), ("$6$salt$hash", SET, False), ("$1$salt$hash", SET, True), ("ab01FAX.bQRSU", SET, True),
        ("!" + SECRET, LOCKED, False), ("!!", NONE, False), ("!", NONE, False), ("*", NONE, False), ("", EMPTY, False),
    ],
)  # fmt: skip
def test_the_state_of_a_password(field: str, state: str, weak: bool) -> None:
    found = accounts("ada:x:1000:1000::/home/ada:/bin/bash\n")
    assert add_passwords(found, f"ada:{field}:20400:0:99999:7::20500:\n".encode()) == 0
    assert (found[0].password, found[0].weak_hash) == (state, weak)
    assert found[0].password_changed == datetime(2025, 11, 8, tzinfo=timezone.utc)
    assert found[0].is_expired(datetime(2026, 2, 17, tzinfo=timezone.utc)) and not found[0].is_expired(
        datetime(2026, 2, 15, tzinfo=timezone.utc)
    )


def test_a_password_in_passwd_itself_counts_and_shadow_is_not_asked() -> None:
    found = accounts("a::5:5::/:/bin/sh\nb:ab01FAX.bQRSU:6:6::/:/bin/sh\n")
    add_passwords(found, b"a:!:1::::::\nb:!:1::::::\n")
    assert [(account.password, account.weak_hash) for account in found] == [(EMPTY, False), (SET, True)]


def test_without_a_line_in_shadow_no_password_opens_it_and_without_shadow_nobody_knows() -> None:
    found = accounts()
    assert {account.password for account in found} == {UNKNOWN}
    add_passwords(found, b"")
    assert {account.password for account in found} == {NONE}


def test_groups_count_listed_and_primary_members() -> None:
    found = accounts()
    members = add_groups(found, GROUP.encode())
    assert members["sudo"] == ["ada"] and members["ada"] == ["ada"] and members["admin"] == ["bob", "gone"]
    assert next(account.groups for account in found if account.name == "bob") == ["bob", "admin"]


def test_hostile_lines_are_counted() -> None:
    text = b"ok:x:1:1::/:/bin/sh\nshort:x\n\xff\xfe:x:2:2::/:\n:x:0:0::/:/bin/sh\nword:x:a:b::/:/bin/sh\n# comment\n\n" + b"a" * 100_000
    found, wrong = read_accounts(text)
    assert [account.name for account in found] == ["ok", "\\xff\\xfe"]
    assert found[1].shell == "/bin/sh"
    assert wrong == 4
    assert add_passwords(found, b"ok:x\n" + SHADOW.encode()) == 1


@pytest.mark.parametrize(("shell", "works"), [("/bin/bash", True), ("/usr/sbin/nologin", False), ("/bin/false", False), ("", True)])
def test_which_shell_lets_somebody_work(shell: str, works: bool) -> None:
    assert accounts(f"a:x:1:1::/:{shell}\n")[0].has_shell is works


@pytest.mark.parametrize(
    ("line", "uid", "shell"),
    [
        ("toor::0:0", 0, "/bin/sh"), ("toor:x:0:0:::/bin/sh:rest", 0, "/bin/sh:rest"), (" toor:x: 0:+0:::/bin/sh", 0, "/bin/sh"),
        ("toor:x:00:0:::", 0, "/bin/sh"), ("toor:x:\u00b2:0:::", None, ""), ("toor:x:0", None, ""), ("toor:x::0:::", None, ""),
    ],
)  # fmt: skip
def test_lines_are_accounts_when_the_c_library_takes_them_for_one(line: str, uid: int | None, shell: str) -> None:
    found, wrong = read_accounts(line.encode())
    assert ([(one.name, one.uid, one.shell) for one in found], wrong) == ([] if uid is None else [("toor", uid, shell)], int(uid is None))


def test_lines_of_nis_are_told_and_are_no_accounts() -> None:
    text = b"a:x:1:1:::\n+::::::\n-b::::::\n"
    assert ([one.name for one in read_accounts(text)[0]], read_accounts(text)[1]) == (["a"], 0)
    assert is_open_to_directories(text) and not is_open_to_directories(b"a:x:1:1:::+\n-b::::::\n")


def test_the_first_line_of_a_name_counts_and_the_old_form_of_shadow_too() -> None:
    found = accounts("a:x:5:5::/:/bin/sh\na:x:6:6::/:/bin/false\nb:x:7:7::/:/bin/sh\n")
    assert add_passwords(found, b"a::18000:0:99999\na:!:1::::::\nb:!:\xc2\xb2::::::\nb::1:2:3:4\n") == 1
    assert [account.password for account in found] == [EMPTY, EMPTY, NONE]


def test_a_group_is_its_number_whatever_its_names_and_lines_are() -> None:
    members = add_groups(accounts(), b"sudo:x:27:ada\nsudo:x:27:\nhidden:x:27: bob,,eve \nodd\nx:x:\xc2\xb2:a\n")
    assert members == {"sudo": ["ada", "bob", "eve"], "hidden": ["ada", "bob", "eve"]}
