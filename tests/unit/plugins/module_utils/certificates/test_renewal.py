"""The hint for a file with little time left: what certbot's timer did last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.renewal import RENEW, renewal_hint
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import NOW

MISSING = "LoadState=not-found\nActiveState=inactive\n"
LAST = f"LastTriggerUSec=@{int(NOW.timestamp()) - 5 * 3600}"


class Systemctl:
    """Answers as systemctl does, from what each unit shows."""

    def __init__(self, **units: str) -> None:
        self.units = {name.replace("_", "."): text for name, text in units.items()}
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], **_given: Any) -> CommandResult:
        self.asked.append(argv[2])
        return CommandResult(tuple(argv), 0, self.units.get(argv[2], MISSING), "")


@pytest.mark.parametrize(
    ("timer", "service", "said"),
    [
        (f"ActiveState=active\n{LAST}", "Result=success", "certbot.timer ran 5 hours ago (2026-11-22T07:00:00Z) without an error"),
        (f"ActiveState=active\n{LAST}", "Result=exit-code", "and failed (exit-code): journalctl -u certbot.service -n 50"),
        (f"ActiveState=inactive\n{LAST}", "Result=success", "certbot.timer is not active"),
        ("ActiveState=active\nLastTriggerUSec=", "Result=success", "certbot.timer has not run yet"),
        ("ActiveState=active\nLastTriggerUSec=@0", "Result=success", "certbot.timer has not run yet"),
        ("ActiveState=active\nLastTriggerUSec=rubbish", "", "certbot.timer has not run yet"),
    ],
)
def test_what_the_timer_did_is_the_next_step(timer: str, service: str, said: str) -> None:
    run = Systemctl(certbot_timer=f"LoadState=loaded\n{timer}\n", certbot_service=f"{service}\n")
    assert said in renewal_hint(NOW, run)


def test_the_timer_of_the_snap_is_found() -> None:
    run = Systemctl()
    run.units["snap.certbot.renew.timer"] = f"LoadState=loaded\nActiveState=active\n{LAST}\n"
    run.units["snap.certbot.renew.service"] = "Result=timeout\n"
    assert "snap.certbot.renew.timer ran 5 hours ago" in renewal_hint(NOW, run)
    assert run.asked == ["certbot.timer", "snap.certbot.renew.timer", "snap.certbot.renew.service"]


def test_without_a_timer_and_without_systemd() -> None:
    assert renewal_hint(NOW, Systemctl()) == RENEW
    missing = CommandResult(("systemctl",), None, "", "", problem="systemctl: No such file or directory")
    assert renewal_hint(NOW, lambda *_argv, **_given: missing) == RENEW


def test_the_real_systemctl_or_none_gives_a_next_step() -> None:
    assert renewal_hint(NOW)
