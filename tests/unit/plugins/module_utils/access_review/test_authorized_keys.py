"""Keys are told from their bytes: type, strength, fingerprint as ssh-keygen shows it, and the names of their options."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.authorized_keys import read_keys
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_review.prepared_host import DSA, EC, ED, FINGERPRINTS, RSA


@pytest.mark.parametrize(("line", "bits", "weak"), [(DSA, 1024, True), (EC, 521, False), (ED, 256, False), (RSA, 1024, True)])
def test_a_key_is_what_ssh_keygen_says(line: str, bits: int, weak: bool) -> None:
    (key,), odd = read_keys(f"{line} ada's key\n".encode())
    assert odd == []
    assert (key.type, key.bits, key.fingerprint, key.comment) == (line.split()[0], bits, FINGERPRINTS[line], "ada's key")
    assert bool(key.weakness) is weak


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("restrict", ("restrict",)),
        ('command="/bin/sh -c \\"echo secret, more\\"",no-pty', ("command", "no-pty")),
        ('from="10.0.0.0/8,!10.1.1.1",environment="TOKEN=secret"', ("from", "environment")),
        ("cert-authority", ("cert-authority",)),
    ],
)
def test_only_the_names_of_options_are_told(options: str, names: tuple[str, ...]) -> None:
    (key,), odd = read_keys(f"{options} {ED} x\n".encode())
    assert (key.options, odd) == (names, [])
    assert "secret" not in repr(key)


def test_lines_that_hold_no_key_are_named_and_nothing_crashes() -> None:
    cut = ED[:40]
    other = f"ssh-rsa {ED.split()[1]}"
    long = "ssh-ed25519 " + base64.b64encode(b"\xff\xff\xff\xff" * 10).decode()
    text = "\n".join(["# comment", "", cut, other, long, "root:x:0:0", "x\x1b[2J", 'command="never closed ssh-ed25519 AAAA', ED])
    keys, odd = read_keys(text.encode() + b"\n\xff\xfe\n" + b"a" * 1_000_000)
    assert [key.line for key in keys] == [9]
    assert odd == [3, 4, 5, 6, 7, 8, 10, 11]


def test_a_key_before_a_nul_counts_as_it_does_for_sshd() -> None:
    ((key,), odd) = read_keys(ED.encode() + b"\0 hidden\n")
    assert (key.fingerprint, odd) == (FINGERPRINTS[ED], [])


def test_a_comment_cannot_drive_a_terminal() -> None:
    (key,), _odd = read_keys(ED.encode() + b" \x1b[31mred\xff " + b"x" * 1000)
    assert key.comment.isprintable() and len(key.comment) <= 200
