"""What of a command line is shown: no secret in any of its usual places, and the rest as it is."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.masking import MAX_CHARACTERS, masked_command

SECRET = "hunter2-S3cret"


@pytest.mark.parametrize(
    "argv",
    [
        ["x", f"--password={SECRET}"], ["x", "--password", SECRET], ["x", "-password", SECRET], ["x", "--db-token", SECRET],
        ["x", f"API_KEY={SECRET}"], ["x", f"apikey:{SECRET}"], ["env", f"PGPASSWORD={SECRET}", "psql"], ["x", f"-Dapp.secret={SECRET}"],
        ["mysql", f"-p{SECRET}"], ["sshpass", f"-p{SECRET}", "ssh"], ["redis-cli", "-a", SECRET], ["curl", "-u", f"me:{SECRET}", "http://a/"],
        ["curl", f"--user=me:{SECRET}"], ["curl", "-H", f"Authorization: Bearer {SECRET}"], ["curl", "-H", f"X-Api-Key: {SECRET}"],
        ["x", f"postgresql://me:{SECRET}@db/x"], ["sh", "-c", f"mysql --password={SECRET} x"], ["sh", "-c", f"run --token '{SECRET}' x"],
        ["x", "--env", f'{{"DB_PASSWORD": "{SECRET}"}}'], ["x", "deadbeef" * 4 + "cafe1234"],
    ],
)
def test_a_secret_is_masked(argv: list[str]) -> None:
    shown = masked_command(argv)
    assert SECRET not in shown and "cafe1234" not in shown and "***" in shown


@pytest.mark.parametrize(
    "argv", [["node", "/opt/app/server.js", "--port", "8081"], ["nginx: worker process"], ["sh", "-c", "ls -l /tmp"], ["ssh", "-p22", "host"]]
)
def test_the_rest_is_shown(argv: list[str]) -> None:
    assert masked_command(argv) == " ".join(argv)


def test_it_is_bounded_and_plain() -> None:
    shown = masked_command(["x\x1b[2J\n", "y" * 1_000_000, *["z"] * 100_000])
    assert len(shown) <= MAX_CHARACTERS and shown.isprintable()


@pytest.mark.parametrize("piece", ["a", "-", "a1", "pass", "token:", "://a:", "-u x:", " -p", "'", "=" * 3])
def test_no_command_line_holds_it_up(piece: str) -> None:
    """Ten of the longest take a blink; a pattern that looks back again and again would take minutes."""
    for _again in range(10):
        assert len(masked_command([piece * 100_000] * 200)) <= MAX_CHARACTERS
