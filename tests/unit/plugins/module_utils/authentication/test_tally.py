"""How many attempts messages stand for, and which logins follow too many of them; in bounded memory."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication import attempts
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.messages import read_message
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.tally import Table, Tally, subnet_of

A, B = "192.0.2.7", "192.0.2.8"


def tally(*lines: tuple[float, int, str], allowed: tuple[str, ...] = (), **limits: int) -> Tally:
    """Return what the messages of sshd give; each with its time and process."""
    found = Tally([ipaddress.ip_network(text) for text in allowed], **{"success_after": 5, "success_after_user": 20, **limits})
    for at, process, text in lines:
        program = "sudo" if " ; TTY=" in text or "(sudo:" in text else "su" if "(su:" in text or " SU " in text else "sshd"
        sign = read_message(program, text)
        assert sign is not None, text
        found.see(sign, at, process)
    found.finish()
    return found


def failed(user: str = "alice", address: str = A) -> str:
    return f"Failed password for {user} from {address} port 5 ssh2"


def pam(address: str = A, user: str = " user=alice", service: str = "sshd") -> str:
    return f"pam_unix({service}:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address} {user}"


def more(count: int, user: str = " user=alice") -> str:
    return f"PAM {count} more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost={A} {user}"


CLOSED = f"Connection closed by authenticating user alice {A} port 5 [preauth]"
INVALID = f"Invalid user bob from {A} port 5"


@pytest.mark.parametrize(
    ("texts", "failures", "users"),
    [
        # As a real sshd wrote them: three passwords for a user.
        ([pam(), failed(), failed(), failed(), CLOSED, more(2)], 3, {"alice": 3}),
        # Three for a user that does not exist, whom PAM does not name.
        ([INVALID, pam(user=""), *[failed("invalid user bob")] * 3, f"Connection closed by invalid user bob {A} port 5 [preauth]", more(2, "")], 3, {"bob": 3}),
        # Over keyboard-interactive sshd tells the first failures of an existing user only through PAM.
        ([pam(), f"error: PAM: Authentication failure for alice from {A}"] * 3 + [CLOSED], 3, {"alice": 3}),
        # A server that takes keys only, at its usual level.
        ([CLOSED], 1, {"alice": 1}),
        ([INVALID, f"Connection closed by invalid user bob {A} port 5 [preauth]"], 1, {"bob": 1}),
        # A key and then a password are two attempts.
        ([f"Failed publickey for alice from {A} port 5 ssh2: RSA SHA256:x", failed()], 2, {"alice": 2}),
        ([f"message repeated 7 times: [ {failed()}]"], 7, {"alice": 7}),
        # PAM alone (another level of sshd), with and without a name.
        ([pam(), more(2)], 3, {"alice": 3}),
        ([pam(user=""), more(2, "")], 3, {}),
        ([failed(), failed("root")], 2, {"alice": 1, "root": 1}),
    ],
)
def test_the_lines_of_one_attempt_are_one_attempt(texts: list[str], failures: int, users: dict[str, int]) -> None:
    found = tally(*[(float(index), 10 + index, text) for index, text in enumerate(texts)])
    assert found.failures == failures
    assert found.addresses.rows[A].failures == failures
    assert {name: row.failures for name, row in found.users.rows.items()} == users


def test_attempts_long_apart_are_counted_apart() -> None:
    assert tally((0, 1, pam()), (0, 1, failed()), (5000, 1, pam()), (5000, 1, failed())).failures == 2


def test_sudo_and_pam_tell_of_the_same_attempts() -> None:
    said = "alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id"
    local = "pam_unix(sudo:auth): authentication failure; logname=alice uid=1 euid=0 tty=/dev/pts/0 ruser=alice rhost=  user=alice"
    su = local.replace("sudo:", "su:")
    refused = said.replace("3 incorrect password attempts", "user NOT in sudoers")
    found = tally((0, 0, local), (5, 7, said), (6, 0, su), (6, 8, "FAILED SU (to root) alice on pts/0"), (7, 9, refused))
    assert {name: (row.failures, row.refused) for name, row in found.local.rows.items()} == {"sudo alice": (3, 1), "su alice": (1, 0)}
    assert found.addresses.rows == {}


def guessed(*lines: tuple[float, int, str], **options: Any) -> list[tuple[str, str | None, str, int, int]]:
    return [(one.user, one.address, one.by, one.failures, one.logins) for one in tally(*lines, **options).guessed.values()]


def login(method: str = "password", user: str = "alice", address: str = A) -> str:
    return f"Accepted {method} for {user} from {address} port 5 ssh2" + (": RSA SHA256:x" if method == "publickey" else "")


FIVE = [(float(index), 5, failed()) for index in range(5)]


def test_a_login_after_many_failures() -> None:
    assert guessed(*FIVE, (6, 5, login())) == [("alice", A, "address", 5, 1)]
    # Within the same while and long afterwards, and once for each user and address.
    assert guessed(*FIVE, (9000, 6, login()), (9001, 7, login())) == [("alice", A, "address", 5, 2)]
    # Whoever guessed at others got in at last.
    assert guessed(*[(float(index), index, failed(f"invalid user u{index}")) for index in range(5)], (6, 5, login())) == [("alice", A, "address", 5, 1)]
    assert guessed(*FIVE, (6, 5, login("publickey"))) == [("alice", A, "address", 5, 1)]


def test_a_login_that_is_no_finding() -> None:
    assert guessed(*FIVE[:4], (6, 5, login())) == []
    assert guessed((0, 5, login()), *[(at + 1, 5, text) for at, _process, text in FIVE]) == []
    assert guessed(*FIVE, (6, 5, login(address=B))) == []
    assert guessed(*FIVE, (6, 5, login()), allowed=("192.0.2.0/24",)) == []
    assert guessed(*FIVE, (6, 5, login()), success_after=0) == []
    # An agent that offers many keys guesses nothing.
    keys = [(float(index), 5, f"Failed publickey for alice from {A} port 5 ssh2: RSA SHA256:{index}") for index in range(9)]
    assert guessed(*keys, (10, 5, login("publickey"))) == []


def test_guessing_from_many_addresses_at_one_user() -> None:
    spread = [(float(index), index, failed(address=f"198.51.100.{index}")) for index in range(20)]
    assert guessed(*spread, (30, 99, login())) == [("alice", A, "user", 20, 1)]
    assert guessed(*spread[:19], (30, 99, login())) == []
    assert guessed(*spread, (30, 99, login("publickey"))) == []
    assert guessed(*spread, (30, 99, login(user="root"))) == []
    assert guessed(*spread, (30, 99, login()), allowed=("198.51.100.0/24",)) == []
    later = (8000, 98, failed("bob", B))  # ends the visits before
    assert guessed(*spread, later, (9000, 99, login()), allowed=("198.51.100.0/24",)) == []
    assert guessed(*spread, later, (9000, 99, login())) == [("alice", A, "user", 20, 1)]
    assert guessed(*spread, (30, 99, login()), allowed=(f"{A}/32",)) == []


def test_subnets() -> None:
    assert (subnet_of("192.0.2.7"), subnet_of("2001:db8:1:2:3::4"), subnet_of("host.example")) == ("192.0.2.0/24", "2001:db8:1:2::/64", None)
    found = tally((0, 1, failed()), (1, 2, failed(address=B)), (2, 3, failed(address="2001:db8::1")))
    assert {name: row.failures for name, row in found.subnets.rows.items()} == {"192.0.2.0/24": 2, "2001:db8::/64": 1}


def test_a_table_keeps_the_worst_and_says_what_it_folded() -> None:
    table = Table(limit=10)
    table.row("worst").failures = 99
    table.row("inside").accepted = 1
    for index in range(1000):
        table.row(f"a{index}").failures += 1
    assert len(table.rows) <= 20
    assert table.rows["worst"].failures == 99 and "inside" in table.rows
    assert table.folded_keys + len(table.rows) == 1002
    assert table.folded_failures + sum(row.failures for row in table.rows.values()) == 1099


def test_many_addresses_at_once_are_counted_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_OPEN", 50)
    found: list[attempts.Attempts] = []
    counter = attempts.AttemptCounter(found.append)
    for index in range(2000):
        sign = read_message("sshd", failed(address=f"10.0.{index // 250}.{index % 250}"))
        assert sign is not None
        counter.see(sign, 1.0, index)
        assert sum(1 for _one in counter.pending_for("alice")) == min(index + 1, 50)
    counter.finish()
    assert sum(one.failed for one in found) == len(found) == 2000
    assert not counter._of_user


def test_a_login_looks_at_the_visits_of_its_user_only() -> None:
    """If it looked at all that are open, this test would take minutes."""
    guesses = [(1.0, index, failed(f"u{index}", f"10.0.{index // 250}.{index % 250}")) for index in range(9000)]
    found = tally(*guesses, *[(2.0, 1, login(user=f"v{index % 50}")) for index in range(20_000)])
    assert (found.failures, found.accepted) == (9000, 20_000)


def test_a_visit_with_many_users_is_counted_whole() -> None:
    found = tally(*[(float(index), 1, failed(f"invalid user u{index}")) for index in range(1000)])
    assert found.addresses.rows[A].failures == 1000 and len(found.users.rows) == 1000
