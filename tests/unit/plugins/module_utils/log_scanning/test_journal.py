"""The journal through a program in the place of journalctl, which answers as it does."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.journal import journal_arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import BEGINNING, END, Journal
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.log_scanning.scanning import Place

#: It keeps entries in a file, and knows --after-cursor (the number of a line), --lines and --unit.
PROGRAM = """#!{python}
import json, sys, time
from pathlib import Path
here = Path(sys.argv[0]).parent
with open(here / "calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if (here / "sleep").exists():
    sys.stdout.write("x" * 100); sys.stdout.flush(); time.sleep(60)
start = [a.split("=", 1)[1] for a in sys.argv if a.startswith("--after-cursor=")]
if start and not start[0].isdigit():
    sys.exit("Failed to seek to cursor: Invalid argument")
if (here / "refused").exists():
    sys.exit("No journal files were opened due to insufficient permissions.")
unit = [a.split("=", 1)[1] for a in sys.argv if a.startswith("--unit=")]
lines = (here / "entries").read_text().splitlines() if (here / "entries").exists() else []
rows = [(n, line) for n, line in enumerate(lines, 1) if not unit or unit[0] in line]
rows = [row for row in rows if not start or row[0] > int(start[0])]
worst = [int(a.split("=", 1)[1]) for a in sys.argv if a.startswith("--priority=")]
rows = [(n, line) for n, line in rows if not worst or '"PRIORITY"' not in line or int(json.loads(line)["PRIORITY"]) <= worst[0]]
if (here / "hidden").exists():
    sys.stderr.write("Hint: You are currently not seeing messages from other users and the system.\\n")
if not rows and "--quiet" not in sys.argv:
    print("-- No entries --")
if "--lines=1" in sys.argv:
    rows = rows[-1:]
for number, line in rows:
    print(line.replace("PLACE", str(number)))
"""
JOURNAL = [{"name": "app", "journal": {"units": ["app.service"]}}]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "journalctl"
    program.write_text(PROGRAM.format(python=f"{sys.executable} -IS"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def add(journal: Path, *messages: Any, priority: int = 6, unit: str = "app.service") -> None:
    with (journal / "entries").open("a") as entries:
        for message in messages:
            entry = {"__CURSOR": "PLACE", "MESSAGE": message, "PRIORITY": str(priority), "_SYSTEMD_UNIT": unit}
            entries.write(json.dumps(entry) + "\n")


def test_entries_are_counted_once_by_priority_and_by_what_they_say(place: Place, journal: Path) -> None:
    add(journal, "all well", "ERROR boom", "    at x (y.js:1:1)", "TypeError: one\n    at y\nError: of the same entry")
    add(journal, "went down", priority=2)
    add(journal, "ERROR of another unit", unit="other.service")
    assert place.errors(groups=JOURNAL) == 3
    assert place.answer["groups"][0]["levels"] == {"fatal": 1, "error": 2, "warning": 0}
    assert place.errors(groups=JOURNAL) == 0
    add(journal, "slow", priority=4)
    add(journal, "failed", priority=3)
    assert place.errors(groups=JOURNAL) == 1 and place.answer["groups"][0]["levels"]["warning"] == 1
    assert place.answer["matches"][0]["line"] == "failed" and place.check("log.readable")["status"] == "ok"


def test_a_unit_that_never_warned_is_well(place: Place, journal: Path) -> None:
    warnings = [{"name": "app", "journal": {"units": ["app.service"], "priority": "4"}}]
    add(journal, "all well")
    assert place.errors(groups=warnings) == 0 and place.check("log.readable")["status"] == "ok"
    assert place.check("log.errors")["status"] == "ok"
    add(journal, "failed", priority=3)
    assert place.errors(groups=warnings) == 1


def test_a_journal_that_is_empty_now_is_unknown(place: Place, journal: Path) -> None:
    add(journal, "all well")
    add(journal, "of another", unit="other.service")
    assert place.errors(groups=JOURNAL) == 0
    entries = (journal / "entries").read_text()
    (journal / "entries").write_text(entries.replace("app.service", "gone.service"))  # its old entries were let go
    assert place.errors(groups=JOURNAL) == 0 and place.check("log.readable")["status"] == "ok"
    (journal / "entries").unlink()
    place.scan(groups=JOURNAL)
    assert place.check("log.readable")["status"] == place.check("log.errors")["status"] == "unknown"
    (journal / "entries").write_text(entries)
    assert place.errors(groups=JOURNAL) == 0 and place.check("log.readable")["status"] == "ok"


def test_a_user_that_sees_only_its_own_messages_has_seen_nothing(place: Place, journal: Path) -> None:
    add(journal, "all well")
    place.scan(groups=JOURNAL)
    (journal / "hidden").touch()
    place.scan(groups=JOURNAL)
    assert place.check("log.readable")["status"] == "unknown" and "only its own messages" in place.check("log.readable")["summary"]
    assert place.check("log.errors")["status"] == "unknown"


@pytest.mark.parametrize("message", ["at its end\r", "\x1b\x1b[0m[0m", "\r\r\n"])
def test_no_message_moves_the_levels_of_those_behind_it(place: Place, journal: Path, message: str) -> None:
    add(journal, *[message] * 3)
    add(journal, "went down", "went up", priority=3)
    assert place.errors(groups=JOURNAL) == 2
    assert [row["line"] for row in place.answer["matches"]] == ["went down", "went up"]


def test_a_first_look_at_the_end_only_notes_the_place(place: Place, journal: Path) -> None:
    add(journal, "ERROR old")
    assert place.errors(groups=JOURNAL, since="end") == 0
    add(journal, "ERROR new")
    assert place.errors(groups=JOURNAL, since="end") == 1


def test_check_mode_leaves_the_place(place: Place, journal: Path) -> None:
    add(journal, "ERROR a")
    assert place.errors(groups=JOURNAL, check_mode=True) == place.errors(groups=JOURNAL) == 1


ODD = {
    "none": None, "bytes": [69, 82, 82, 255, 0, 10], "twice": ["ERROR a", "b"], "mapping": {"x": 1}, "number": 5, "empty": "",
    "colors": "\x1b[31mERROR\x1b[0m a\r\nb", "long": "ERROR " + "x" * 3_000_000,
}  # fmt: skip


@pytest.mark.parametrize("message", ODD.values(), ids=ODD)
def test_odd_messages_are_no_trouble(place: Place, journal: Path, message: Any) -> None:
    add(journal, message, "ERROR after")
    with (journal / "entries").open("a") as entries:
        entries.write('no JSON of app.service\n["app.service"]\n')
    place.scan(groups=JOURNAL)
    assert place.answer["groups"][0]["errors"] in (1, 2)
    assert place.check("log.readable")["status"] == "warning" and "could not be understood" in place.check("log.readable")["summary"]
    assert place.errors(groups=JOURNAL) == 0


def test_a_cursor_that_is_not_accepted_is_said_and_the_time_is_used(place: Place, journal: Path) -> None:
    add(journal, "ERROR a")
    place.scan(groups=JOURNAL)
    memory = json.loads(place.memory.read_text())
    place.memory.write_text(json.dumps({**memory, "journal": "s=gone"}))
    place.scan(groups=JOURNAL)
    assert "not found again" in place.check("log.readable")["summary"]
    last = json.loads((journal / "calls").read_text().splitlines()[-1])
    assert f"--since=@{int(memory['written'])}" in last and json.loads(place.memory.read_text())["journal"] == "1"


def test_a_journal_that_may_not_be_read_or_holds_nothing_is_unknown(place: Place, journal: Path) -> None:
    place.scan(groups=JOURNAL)
    assert place.check("log.readable")["status"] == "unknown" and "no entry at all" in place.check("log.readable")["summary"]
    assert place.check("log.errors")["status"] == "unknown"
    add(journal, "ERROR a")
    (journal / "refused").touch()
    place.scan(groups=JOURNAL)
    assert "insufficient permissions" in place.check("log.readable")["summary"]
    (journal / "refused").unlink()
    assert place.errors(groups=JOURNAL) == 1


def test_without_journalctl_it_is_unknown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    place.scan(groups=JOURNAL)
    assert "not installed" in place.check("log.readable")["summary"]


def test_a_program_that_does_not_start_is_unknown(place: Place, journal: Path) -> None:
    (journal / "journalctl").write_text("#!/nowhere/at/all\n")
    place.scan(groups=JOURNAL)
    assert place.check("log.readable")["status"] == "unknown" and "does not start" in place.check("log.readable")["summary"]


def test_a_program_that_hangs_is_ended_and_said(place: Place, journal: Path) -> None:
    add(journal, "ERROR a")
    (journal / "sleep").touch()
    place.scan(groups=JOURNAL, timeout_seconds=1)
    assert "next run goes on" in place.check("log.readable")["summary"] and not place.answer["groups"][0]["complete"]
    (journal / "sleep").unlink()
    assert place.errors(groups=JOURNAL) == 1


def test_the_arguments() -> None:
    journal = Journal(("a.service", "b*"), ("sshd",), "warning")
    since = datetime.fromtimestamp(1_800_000_000, timezone.utc)
    select = ["--unit=a.service", "--unit=b*", "--identifier=sshd", "--priority=warning"]
    cases = [("s=1", since, ["--after-cursor=s=1"]), ("", since, ["--since=@1800000000"]), ("", BEGINNING, []), ("", END, ["--lines=1"])]
    for cursor, start, expected in cases:
        assert journal_arguments(journal, cursor=cursor, since=start)[4:] == [*select, *expected]
