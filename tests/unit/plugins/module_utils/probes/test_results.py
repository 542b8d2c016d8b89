"""What is returned about a probe: above all the next step."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.option_table import OPTIONS
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.results import probe_check, probe_row

NEEDED = {
    "http": {"url": "http://a.test/"},
    "tcp": {"port": 80},
    "websocket": {"url": "ws://a.test/"},
    "dns": {"host": "a.test"},
    "command": {"argv": ["true"]},
    "port": {"port": 80},
    "process": {"pattern": "node"},
    "unit": {"unit": "a.service"},
    "pm2": {"app": "a"},
}


def hints(outcome, kind="tcp", **options):
    """Return the hint of the check and that of the row, which are the same."""
    (probe,) = read_probes([{"type": kind, **NEEDED[kind], **options}], {})
    check, row = probe_check(probe, outcome), probe_row(probe, outcome)
    assert ("hint" in check) == ("hint" in row)
    assert check.get("hint") == row.get("hint")
    return check.get("hint")


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_a_probe_of_any_type_takes_a_next_step(kind):
    assert hints(Outcome(CRITICAL, "It is down."), kind, hint="Read its log.") == "Read its log."
    assert hints(Outcome(CRITICAL, "It is down."), kind)
    assert hints(Outcome(UNKNOWN, "Nobody could look."), kind)
    assert hints(Outcome(OK, "It is up."), kind) is None


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("http", {"url": "http://u:S3CRET@a.test/x?a=1&b='2"}, "curl -sv -o /dev/null 'http://a.test/x?a=1&b='\"'\"'2'; then"),
        ("tcp", {"port": 80}, "with: ss -ltnp 'sport = :80'; then"),
        ("tcp", {"port": 80, "host": "a.test"}, "with: nc -vz a.test 80; look"),
        ("tcp", {"port": 443, "host": "2001:db8::1", "tls": True}, "with: openssl s_client -connect '[2001:db8::1]:443'; look"),
        ("websocket", {"url": "ws://127.0.0.1:8081/"}, "with: ss -ltnp 'sport = :8081'; then"),
        ("websocket", {"url": "wss://u:S3CRET@a.test/"}, "with: openssl s_client -connect a.test:443; look"),
        ("port", {"port": 80}, "with: ss -ltnp 'sport = :80'; start"),
        ("process", {"pattern": "a b|$(c)", "user": "deploy"}, "with: pgrep -af -u deploy -- 'a b|$(c)'; then"),
        ("process", {"pattern": None, "exe": "/usr/bin/node"}, "with: pgrep -af -- /usr/bin/node; then"),
        ("process", {"pattern": None, "user": "1000"}, "with: ps -f -u 1000; then"),
        ("dns", {}, "with: getent ahosts a.test; then"),
        ("dns", {"server": "192.0.2.1", "record": "AAAA"}, "with: dig -p 53 @192.0.2.1 a.test AAAA; then"),
        ("unit", {"unit": r"a\x2d.service"}, r"with: systemctl status 'a\x2d.service'"),
        ("pm2", {"app": "my app"}, "with: pm2 describe 'my app'"),
        ("command", {"argv": ["check", "--password=S3CRET"]}, "Run the command on this host"),
    ],
)
def test_where_nobody_says_a_next_step_the_type_knows_how_to_look_closer(kind, options, said):
    hint = hints(Outcome(CRITICAL, "It is down."), kind, **options)
    assert said in hint and "S3CRET" not in hint, hint


@pytest.mark.parametrize(
    ("status", "own", "given", "shown"),
    [
        (OK, "", "given", None),
        (WARNING, "", "given", "given"),
        (WARNING, "own", "given", "given"),
        (CRITICAL, "", "given", "given"),
        (CRITICAL, "own", "given", "given"),
        (CRITICAL, "own", None, "own"),
        (UNKNOWN, "Install psutil.", "given", "Install psutil."),
        (UNKNOWN, "", "given", "given"),
        (UNKNOWN, "own", None, "own"),
    ],
)
def test_who_knows_better_says_the_next_step(status, own, given, shown):
    assert hints(Outcome(status, "It was looked at.", hint=own), hint=given) == shown


def test_a_next_step_is_made_plain():
    assert hints(Outcome(CRITICAL, "It is down."), hint="Read\n\x1b[31mits log") == "Read \\x1b[31mits log"
    assert len(hints(Outcome(CRITICAL, "It is down."), hint="x" * 10_000)) == 500


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_thresholds_have_the_unit_of_the_value(kind):
    (probe,) = read_probes([{"type": kind, **NEEDED[kind]}], {})
    check = probe_check(probe, Outcome(OK, "It is up.", value="active", latency_seconds=0.25))
    measures_latency = "warning_seconds" in OPTIONS[kind]
    assert (check["value"], check["unit"]) == ((0.25, "s") if measures_latency else ("active", None))
    if not measures_latency:
        assert (check["warning"], check["critical"]) == (None, None)
