"""What one message says, in the words of Debian 12 and 13, and what names that were made to mislead cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.messages import address_of, read_message

PAM = "pam_unix({}:auth): authentication failure; logname={} uid=0 euid=0 tty={} ruser={} rhost={} {}"
SUDO = "{} : {} ; TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id"


@pytest.mark.parametrize(
    ("program", "text", "expected"),
    [
        ("sshd", "Failed password for alice from 192.0.2.7 port 53694 ssh2", ("failed", "ssh", "tried", "alice", True, "192.0.2.7", "password")),
        ("sshd-session", "Failed password for invalid user bob from 2001:DB8::7 port 1 ssh2",
         ("failed", "ssh", "tried", "bob", False, "2001:db8::7", "password")),
        ("sshd-auth", "Failed password for bob from ::ffff:192.0.2.7 port 1 ssh2", ("failed", "ssh", "tried", "bob", True, "192.0.2.7", "password")),
        ("sshd", "Failed keyboard-interactive/pam for invalid user bob from 192.0.2.7 port 2 ssh2",
         ("failed", "ssh", "tried", "bob", False, "192.0.2.7", "keyboard-interactive/pam")),
        ("sshd", "Failed publickey for alice from 192.0.2.7 port 2 ssh2: ED25519 SHA256:rf+aX8",
         ("failed", "ssh", "key", "alice", True, "192.0.2.7", "publickey")),
        ("sshd", "Failed none for invalid user bob from 192.0.2.7 port 2 ssh2", None),
        ("sshd", "Invalid user bob from 192.0.2.7 port 52140", ("failed", "ssh", "invalid", "bob", False, "192.0.2.7", None)),
        ("sshd", "Invalid user  from 192.0.2.7", ("failed", "ssh", "invalid", "", False, "192.0.2.7", None)),
        ("sshd", "error: maximum authentication attempts exceeded for invalid user bob from 192.0.2.7 port 2 ssh2 [preauth]",
         ("failed", "ssh", "maximum", "bob", False, "192.0.2.7", None)),
        ("sshd", "Disconnecting authenticating user alice 192.0.2.7 port 2: Too many authentication failures [preauth]",
         ("failed", "ssh", "closed", "alice", True, "192.0.2.7", None)),
        ("sshd", "Connection closed by authenticating user alice 192.0.2.7 port 2 [preauth]", ("failed", "ssh", "closed", "alice", True, "192.0.2.7", None)),
        ("sshd", "Connection reset by invalid user bob fe80::1%eth0 port 2 [preauth]", ("failed", "ssh", "closed", "bob", False, "fe80::1", None)),
        ("sshd", "error: PAM: Authentication failure for illegal user bob from 192.0.2.7",
         ("failed", "ssh", "pam_error", "bob", False, "192.0.2.7", "keyboard-interactive/pam")),
        ("sshd", PAM.format("sshd", "", "ssh", "", "192.0.2.7", " user=alice"), ("failed", "ssh", "pam", "alice", None, "192.0.2.7", "password")),
        ("sshd", PAM.format("sshd", "", "ssh", "", "192.0.2.7", ""), ("failed", "ssh", "pam", None, None, "192.0.2.7", "password")),
        ("vsftpd", PAM.format("vsftpd", "", "ftp", "bob", "host.example", " user=bob"), ("failed", "vsftpd", "pam", "bob", None, "host.example", "password")),
        ("sshd", "Accepted password for alice from 192.0.2.7 port 43852 ssh2", ("accepted", "ssh", "tried", "alice", True, "192.0.2.7", "password")),
        ("sshd", "Accepted publickey for alice from 192.0.2.7 port 43854 ssh2: ED25519 SHA256:rf+aX8",
         ("accepted", "ssh", "key", "alice", True, "192.0.2.7", "publickey")),
        ("sudo", "   " + SUDO.format("alice", "3 incorrect password attempts"), ("failed", "sudo", "sudo", "alice", None, None, "password")),
        ("sudo", SUDO.format("alice", "user NOT in sudoers"), ("refused", "sudo", "sudo", "alice", None, None, None)),
        ("sudo", SUDO.format("alice", "command not allowed"), ("refused", "sudo", "sudo", "alice", None, None, None)),
        ("sudo", SUDO.format("alice", "a password is required"), None),
        ("sudo", "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo 9 incorrect password attempts ; TTY=x",
         ("accepted", "sudo", "sudo", "alice", None, None, None)),
        ("sudo", PAM.format("sudo", "alice", "/dev/pts/0", "alice", "", " user=root"), ("failed", "sudo", "pam", "alice", None, None, "password")),
        ("su", "FAILED SU (to root) alice on pts/0", ("failed", "su", "su", "alice", None, None, "password")),
        ("su", "(to root) alice on pts/0", ("accepted", "su", "su", "alice", None, None, None)),
        ("su", PAM.format("su-l", "alice", "/dev/pts/0", "alice", "", " user=root"), ("failed", "su", "pam", "alice", None, None, "password")),
        ("login", "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure", ("failed", "login", "login", "root", None, None, "password")),
        ("login", "FAILED LOGIN 1 FROM 192.0.2.7 FOR bob, Authentication failure", ("failed", "login", "login", "bob", None, "192.0.2.7", "password")),
        ("login", "ROOT LOGIN  on '/dev/tty1'", ("accepted", "login", "login", "root", None, None, "password")),
        ("login", "LOGIN ON tty1 BY alice", ("accepted", "login", "login", "alice", None, None, "password")),
        ("sshd", "Server listening on 127.0.0.1 port 46057.", None),
        ("sshd", "Connection closed by 192.0.2.7 port 22 [preauth]", None),
        ("sshd", "Disconnected from user alice 192.0.2.7 port 43852", None),
        ("sshd", "pam_unix(sshd:session): session opened for user alice(uid=60001) by (uid=0)", None),
        ("cron", "Failed password for alice from 192.0.2.7 port 53694 ssh2", None),
    ],
)
def test_what_a_message_says(program: str, text: str, expected: tuple[Any, ...] | None) -> None:
    sign = read_message(program, text)
    assert (None if sign is None else tuple(sign)[:7]) == expected


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("message repeated 4 times: [ Failed password for root from 192.0.2.7 port 2 ssh2]", 4),
        ("message repeated 99999999999999 times: [ Failed password for root from 192.0.2.7 port 2 ssh2]", 100_000),
        ("PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=alice", 2),
        ("message repeated 2 times: [ PAM 3 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7 ]", 6),
        ("PAM 1 more authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7 ", 1),
    ],
)
def test_a_message_may_stand_for_many(text: str, times: int) -> None:
    sign = read_message("sshd", text)
    assert sign is not None and sign.times == times and sign.address == "192.0.2.7"


VICTIM = "198.51.100.9"
NAMES = [
    f"root from {VICTIM} port 22 ssh2",
    f"root from {VICTIM} port 22 ssh2: ED25519 SHA256:x",
    f"invalid user a from {VICTIM}",
    f"a for b from {VICTIM} port 1",
    f"x {VICTIM} port 5",
    f"x {VICTIM} port 5: Too many authentication failures",
    f"a\nFailed password for root from {VICTIM} port 22 ssh2",
    f"message repeated 9 times: [ Failed password for root from {VICTIM} port 22 ssh2]",
    f"rhost={VICTIM}  user=root",
    "'; FOR 'x', y", "", " ", "\x1b[2J", "\udc80", "n" * 100_000,
]
FORMS = [
    "Failed password for invalid user {} from 192.0.2.7 port 4711 ssh2",
    "Failed publickey for invalid user {} from 192.0.2.7 port 4711 ssh2: ED25519 SHA256:abc",
    "Failed publickey for alice from 192.0.2.7 port 4711 ssh2: ED25519-CERT SHA256:abc ID {} (serial 0) CA ED25519 SHA256:def",
    "Invalid user {} from 192.0.2.7 port 4711",
    "Invalid user {} from 192.0.2.7",
    "error: maximum authentication attempts exceeded for invalid user {} from 192.0.2.7 port 4711 ssh2 [preauth]",
    "Connection closed by invalid user {} 192.0.2.7 port 4711 [preauth]",
    "Disconnecting invalid user {} 192.0.2.7 port 4711: Too many authentication failures [preauth]",
    "Disconnecting invalid user b 192.0.2.7 port 4711: Change of username or service not allowed: (b,ssh-connection) -> ({},ssh-connection) [preauth]",
    "error: PAM: Authentication failure for illegal user {} from 192.0.2.7",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user={}",
    "Postponed keyboard-interactive for invalid user {} from 192.0.2.7 port 4711 ssh2 [preauth]",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_name_blames_somebody_else(form: str, name: str) -> None:
    sign = read_message("sshd", form.format(name))
    assert sign is None or sign.address in ("192.0.2.7", None)
    assert sign is None or sign.kind == "failed"
    assert sign is None or len(sign.user or "") <= 256


def test_a_misleading_name_still_counts() -> None:
    sign = read_message("sshd", FORMS[0].format(NAMES[0]))
    assert sign is not None and (sign.user, sign.address) == (NAMES[0], "192.0.2.7")
    sign = read_message("sshd", FORMS[1].format(NAMES[1]))
    assert sign is not None and (sign.kind, sign.user, sign.address) == ("failed", None, None)


def test_no_message_takes_more_than_its_length() -> None:
    """If it did, this test would take minutes."""
    for words in (" for ", " from x", " port 1 ssh2", " for invalid user a from b"):
        for form in FORMS:
            read_message("sshd", form.format(words * 40_000) + "\n")


@pytest.mark.parametrize(
    ("text", "address"),
    [("UNKNOWN", None), ("", None), (None, None), ("192.0.2.7", "192.0.2.7"), ("2001:DB8:0::1", "2001:db8::1"), ("host.example", "host.example")],
)
def test_an_address_has_one_form(text: str | None, address: str | None) -> None:
    assert address_of(text) == address
