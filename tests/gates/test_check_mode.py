"""`--check` shows the same statuses as the run would, and writes nothing: not on the hosts, not on the report host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import CHECKOUT, PLAYBOOKS
from playing import Place
from test_playbook_contracts import CADENCES, by_name

pytestmark = pytest.mark.check_mode

ROW = re.compile(r"^(?P<row>(?:ok|warning|unknown|critical) {2,}\S+ +[a-z_]+\.[a-z_]+ {2,}.*)$", re.MULTILINE)
#: Figures near a threshold would make two runs differ: the load of this machine is not what is tested.
CALM_TAGS = {"security_audit": "access", "system_log_review": "log_review"}
DEMO = str(CHECKOUT / "inventories" / "demo")


def rows(output: str) -> set[tuple[str, ...]]:
    """Return status, host, check and subject of each row of the printed table."""
    return {tuple(re.split(r" {2,}", match["row"])[:4]) for match in ROW.finditer(output)}


@pytest.mark.parametrize("path", PLAYBOOKS, ids=by_name)
def test_nothing_is_written(path: Path, tmp_path: Path) -> None:
    place = Place.fresh(tmp_path)
    before = place.tree()
    done = place.run_in_checkout("-i", DEMO, str(path), "--check", "--diff")
    assert place.tree() == before
    assert "changed=" in done.stdout and "unreachable=0" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("path", CADENCES, ids=by_name)
def test_the_statuses_are_those_of_the_run_and_what_it_left_stays_as_it_is(path: Path, tmp_path: Path) -> None:
    place = Place.fresh(tmp_path)
    arguments = ["-i", DEMO, str(path), "--tags", CALM_TAGS.get(path.stem, "health")]
    promised = place.run_in_checkout(*arguments, "--check")
    real = place.run_in_checkout(*arguments)
    assert rows(real.stdout), real.stdout + real.stderr
    assert rows(promised.stdout) == rows(real.stdout)
    assert promised.returncode == real.returncode

    left = place.tree()
    again = place.run_in_checkout(*arguments, "--check", "--diff")
    assert place.tree() == left
    assert rows(again.stdout)
