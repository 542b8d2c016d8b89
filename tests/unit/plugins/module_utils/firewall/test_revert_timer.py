"""What systemd says of a timer, and what is no answer: where nobody looked, no timer is gone."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import revert_timer

NO_BUS = "Failed to connect to bus: Host is down"


def said(returncode: int | None, stdout: str = "", stderr: str = "", **more: object) -> CommandResult:
    return CommandResult(("systemctl",), returncode, stdout, stderr, **more)  # type: ignore[arg-type]


def answering(monkeypatch: pytest.MonkeyPatch, answer: CommandResult) -> list[tuple[str, ...]]:
    asked: list[tuple[str, ...]] = []

    def systemctl(*arguments: str) -> CommandResult:
        asked.append(arguments)
        return answer if arguments[0] == "is-active" else said(0)

    monkeypatch.setattr(revert_timer, "systemctl", systemctl)
    return asked


@pytest.mark.parametrize(("answer", "running"), [
    (said(0, "active\ninactive\n"), ("a",)), (said(3, "inactive\nfailed\n"), ()), (said(4, "inactive\ninactive\n"), ()),
    (said(3, "deactivating\ninactive\n"), ("a",)), (said(0, "inactive\nactive\n"), ("b",)),
])
def test_what_is_an_answer(monkeypatch: pytest.MonkeyPatch, answer: CommandResult, running: tuple[str, ...]) -> None:
    asked = answering(monkeypatch, answer)
    assert revert_timer.look_at(["a", "b"]) == revert_timer.Timers(running)
    assert asked == [("is-active", "a.timer", "b.timer")]


@pytest.mark.parametrize(("answer", "reason"), [
    (said(1, "", NO_BUS), NO_BUS), (said(None, problem="systemctl: No such file or directory"), "No such file or directory"),
    (said(-9, "", timed_out=True), "no answer in time"), (said(0, "active\n", timed_out=True), "no answer in time"),
    (said(0, "", "Running in chroot, ignoring command"), "Running in chroot"), (said(0), "it ended with 0"),
    (said(3, ""), "it ended with 3"), (said(3, "inactive\n"), "it ended with 3"), (said(3, "inactive\nunknown\n"), "it ended with 3"),
    (said(1, "inactive\ninactive\n", NO_BUS), NO_BUS),
])
def test_what_is_none(monkeypatch: pytest.MonkeyPatch, answer: CommandResult, reason: str) -> None:
    """Whatever is asked, and whoever asks: a timer that nobody saw is not said to be gone, nor to run."""
    answering(monkeypatch, answer)
    seen = revert_timer.look_at(["a", "b"])
    assert seen.running == () and "Nobody can tell whether a.timer, b.timer will come" in seen.silence and reason in seen.silence
    with pytest.raises(revert_timer.Silent, match="Nobody can tell whether"):
        revert_timer.stop_timers(["a"])
    if not answer.stdout or answer.timed_out or answer.returncode == 1:
        with pytest.raises(revert_timer.Silent, match="Nobody can tell whether a.timer"):
            revert_timer.timer_runs("a")


def test_a_timer_is_stopped_when_neither_it_nor_what_it_has_started_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, said(3, "inactive\ninactive\n"))
    revert_timer.stop_timers(["a"])
    assert asked == [("stop", "a.timer", "a.service"), ("is-active", "a.timer", "a.service")]
    answering(monkeypatch, said(3, "inactive\ndeactivating\n"))
    with pytest.raises(UpkeepError, match="a.service cannot be stopped"):
        revert_timer.stop_timers(["a"])


def test_where_there_are_no_timers_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, said(1))
    revert_timer.stop_timers([])
    assert revert_timer.look_at([]) == revert_timer.Timers(()) and not asked
