"""Lines that say the same have one fingerprint, and nothing that is kept of them holds a secret."""

from __future__ import annotations

import json

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.masking import without_secrets
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.signatures import sample_of, signature_of

#: Each row: lines of one kind.
KINDS = [
    [
        "2026-11-22T05:00:00.123Z error: user 12 'bob' from 10.0.0.1:443 took 1.5 s",
        "2026-12-01T15:10:09.001Z error: user 99834 'alice' from 192.168.7.9:80 took 12 s",
    ],
    ["Nov 22 05:00:00 web1 app[12]: ERROR order 550e8400-e29b-41d4-a716-446655440000 lost",
     "Dec  1 05:00:00 web1 app[9999]: ERROR order 6ba7b810-9dad-11d1-80b4-00c04fd430c8 lost"],
    ["ERROR GET https://api.example.com/v1/items/77?from=a&to=b failed", "ERROR GET https://api.example.com/v1/items/8?x=c failed"],
    ["ERROR peer [2001:db8::1] gone, session deadbeef0123", "ERROR peer [fe80::1:2] gone, session 0123456789abcdef"],
    ['{"level":50,"time":1,"pid":3,"msg":"order 5 failed","err":{"type":"TypeError","message":"x of undefined"}}',
     '{"level":50,"time":2,"pid":4,"msg":"order 6 failed","err":{"type":"TypeError","message":"x of undefined"},"more":[1]}'],
    ['{"level":50,"msg":"order 5 failed","err":{"type":"RangeError","message":"x of undefined"}}'],
    ["ERROR mail to bob@example.com bounced", "ERROR mail to x.y+z@sub.example.org bounced"],
    ["ERROR can't open it, won't try", "ERROR can't open it, won't try"],
    ["ERROR can't open that, won't try"],
    ["ERROR file not found"], ["ERROR user not found"],
]  # fmt: skip


def test_lines_of_one_kind_have_one_fingerprint_and_no_other_kind_has_it() -> None:
    prints = [{signature_of(line.encode(), "error").fingerprint for line in lines} for lines in KINDS]
    assert [len(found) for found in prints] == [1] * len(KINDS)
    assert len(set.union(*prints)) == len(KINDS)
    line = KINDS[0][0].encode()
    assert signature_of(line, "error").fingerprint != signature_of(line, "fatal").fingerprint


SECRETS = [
    "connect postgres://app:hunter2@db.example.com/x failed",
    "Authorization: Bearer hunter2.abc-def",
    "headers {'authorization': 'Basic aHVudGVyMg==', 'x': 1} hunter2",
    '{"password":"hunter2","user":"bob"}',
    '"{\\"password\\":\\"hunter2 x\\"}"',
    "login password=hunter2&next=/",
    "db_password: 'hunter2 with blanks'",
    "API_KEY=hunter2",
    "x-api-key: hunter2",
    "cookie: sid=hunter2; theme=hunter2",
    "set-cookie: sid=hunter2",
    "sent Bearer hunter2hunter2 to it",
    "token eyJhbGciOiJIUzI1NiJ9.hunter2.abc",
    "key AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123", "xoxb-1234567890-abc", "sk_live_abcdefghij0123",
    "-----BEGIN RSA PRIVATE KEY-----hunter2",
]  # fmt: skip


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_reach_neither_samples_nor_signatures(text: str) -> None:
    line = f"ERROR {text}".encode()
    shown = json.dumps([sample_of(line), signature_of(line, "error")])
    if text.startswith("headers"):
        assert "aHVudGVyMg" not in shown
        return
    for secret in ("hunter2", "AKIAIOSFODNN7", "ghp_abc", "xoxb-1", "sk_live_a"):
        assert secret not in shown
    assert "ERROR" in shown


@pytest.mark.parametrize("text", ["Unexpected token } in JSON", "password is wrong", "https://example.com/path", "the session ended"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_samples_are_bounded_and_printable() -> None:
    sample = sample_of(b"ERROR \x1b[31m\xff\0<script>" + b"x" * 100_000)
    assert sample.isprintable() and len(sample) <= 300 and sample.startswith("ERROR \\x1b[31m\\xff\\x00<script>")


@pytest.mark.parametrize("text", ["a." * 50_000, "@" * 100_000, "a" * 100_000, "1." * 50_000, ":" * 100_000, "'" * 99_999, "a-" * 50_000])
def test_no_line_takes_long(text: str) -> None:
    """Each of these takes minutes with an expression that tries every way."""
    assert len(signature_of(text.encode(), "error").text) <= 200
    assert len(sample_of(text.encode())) <= 300
