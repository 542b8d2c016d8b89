"""What fail2ban's client prints, read: jails, figures, bans with their ends, and everything that it may say instead."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.fail2ban import (
    MAX_JAILS,
    Ban,
    Jail,
    NotRunning,
    Silent,
    jail_bans,
    jail_figures,
    jail_names,
    read_jails,
)

LIST = "Status\n|- Number of jail:\t2\n`- Jail list:\tdoor, gate\n"
JAIL = """Status for the jail: door
|- Filter
|  |- Currently failed:\t1
|  |- Total failed:\t8
|  `- File list:\t/var/log/door.log
`- Actions
   |- Currently banned:\t{banned}
   |- Total banned:\t7
   `- Banned IP list:\t192.0.2.8 192.0.2.7
"""
BANS = "192.0.2.8 \t2026-11-28 21:22:39 + 623 = 2026-11-28 21:33:02\n2001:db8::9 \t2026-11-28 21:23:02 + -1 = 9999-12-31 23:59:59\n"


@pytest.fixture(autouse=True)
def clock_of_berlin(monkeypatch: pytest.MonkeyPatch) -> Any:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def asked(**answers: Any) -> Any:
    """Return what answers as fail2ban-client would, by the words of the question."""
    said: list[tuple[str, ...]] = []

    def ask(*arguments: str) -> CommandResult:
        said.append(arguments)
        answer = answers.get("_".join(arguments[:2]), "")
        return answer if isinstance(answer, CommandResult) else CommandResult(arguments, 0, answer, "")

    ask.said = said  # type: ignore[attr-defined]
    return ask


def failed(stderr: str, **about: Any) -> CommandResult:
    return CommandResult((), 255, "", stderr, **about)


def test_jails_with_their_bans_in_utc() -> None:
    ask = asked(status=LIST, status_door=JAIL.format(banned=2), status_gate=JAIL.format(banned=0), get_door=BANS)
    first = Ban("192.0.2.8", "2026-11-28T20:22:39Z", "2026-11-28T20:33:02Z")
    endless = Ban("2001:db8::9", "2026-11-28T20:23:02Z", None)
    assert read_jails(ask) == ([Jail("door", 8, 7, (first, endless)), Jail("gate", 8, 7, ())], 0)
    assert ("get", "gate", "banip", "--with-time") not in ask.said, "a jail that bans nobody is not asked whom"


@pytest.mark.parametrize(
    ("status", "names"),
    [
        (LIST, ["door", "gate"]),
        ("Status\n|- Number of jail:\t0\n`- Jail list:\t\n", []),
        ("`- Jail list:\tsshd, --help, a b, \x1b[31m\n", ["sshd", "--help", "a b", "\x1b[31m"]),
    ],
)
def test_names_of_jails(status: str, names: list[str]) -> None:
    assert jail_names(status) == names


@pytest.mark.parametrize("status", ["", "pong\n", "the Jail list: sshd\n"])
def test_an_answer_without_a_list_of_jails_is_none(status: str) -> None:
    with pytest.raises(Silent, match="does not list its jails"):
        jail_names(status)


def test_a_figure_that_is_missing_is_not_guessed() -> None:
    assert jail_figures(JAIL.format(banned=3)) == (8, 3, 7)
    with pytest.raises(Silent, match="'currently banned'"):
        jail_figures(JAIL.format(banned="many"))


@pytest.mark.parametrize("line", ["192.0.2.8", "192.0.2.8 yesterday + 1 = today", f"{'9' * 100} 2026-11-28 21:22:39 + 1 = 2026-11-28 21:22:40"])
def test_a_line_of_another_form_is_counted(line: str) -> None:
    bans, unread = jail_bans(f"\n{line}\n{BANS}")
    assert (bans, unread) == (jail_bans(BANS)[0], 1) and len(bans) == 2
    ((jail, _gate), unasked) = read_jails(asked(status=LIST, status_door=JAIL.format(banned=3), status_gate=JAIL.format(banned=0), get_door=f"{line}\n{BANS}"))
    assert (jail.banned, jail.unread, unasked) == (3, 1, 0)


def test_a_moment_of_no_calendar_is_left_open() -> None:
    assert jail_bans("192.0.2.8 2026-99-28 21:22:39 + 1 = 2026-11-28 21:22:40") == ([Ban("192.0.2.8", "", "2026-11-28T20:22:40Z")], 0)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (failed("ERROR Permission denied to socket: /run/f.sock, (you must be root)"), Silent, "only answers to root"),
        (failed("ERROR Failed to access socket path: /run/f.sock. Is fail2ban running?"), NotRunning, "^$"),
        (failed("ERROR [[Errno 111] Connection refused] Unable to contact server. Is it running?"), NotRunning, "^$"),
        (failed("Traceback\x1b[31m"), Silent, r"fail2ban-client: Traceback\\x1b"),
        (failed("", timed_out=True), Silent, "did not end within 20 s"),
        (CommandResult((), 0, LIST, "", truncated=True), Silent, "too large"),
    ],
)
def test_what_it_says_instead(answer: CommandResult, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        read_jails(asked(status=answer))


def test_jails_without_end_are_cut_and_counted() -> None:
    names = [*(f"jail{number}" for number in range(200)), "--help", "a b"]
    answers = {f"status_{name}": JAIL.format(banned=0) for name in names}
    ask = asked(status=f"`- Jail list:\t{', '.join(names)}\n", **answers)
    jails, unasked = read_jails(ask)
    assert (len(jails), unasked) == (MAX_JAILS, 202 - MAX_JAILS)
    assert not {"--help", "a b"} & {argument for arguments in ask.said for argument in arguments}, "what looks like an option is none"
