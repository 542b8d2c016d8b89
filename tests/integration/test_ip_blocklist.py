"""Lists of addresses are blocked in the real kernel, beside blocks of incidents; what is broken changes nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import block_ledger, blocking, blocklist_applying, nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocking import block_addresses
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_applying import apply_lists
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import ip_block, ip_blocklist
from ansible_collections.upkeep.runbook.tests.integration.networks import Host, given_options, hosts

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module")
def two() -> Iterator[list[Host]]:
    with hosts(2) as made:
        yield made


class Lists:
    """The module on the first host; the second is on the lists."""

    def __init__(self, two: list[Host], state: Path) -> None:
        self.ours, self.other, self.state = *two, state

    def __call__(self, *texts: str, step: int | None = None, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Apply lists named a, b, …

        :param step: be killed before this step of those that change something; the answer is empty then.
        """
        lists = [{"name": chr(97 + number), "content": text} for number, text in enumerate(texts)]
        params = given_options(ip_blocklist, {"state_directory": str(self.state), "lists": lists, **options})

        def work() -> dict[str, Any]:
            if step is not None:
                die_before(step)
            return apply_lists(params, now=utc_now(), check_mode=check_mode)

        return self.ours.use(work) or {}

    def block(self, **options: Any) -> dict[str, Any]:
        params = given_options(ip_block, {"state_directory": str(self.state), **options})
        return self.ours.use(lambda: block_addresses(params, now=utc_now(), check_mode=False)) or {}

    def reasons(self) -> dict[str, str]:
        return {row["address"]: row["reason"] for row in self.block(state="query")["blocked"]}

    def everything(self) -> tuple[str, dict[str, bytes]]:
        """Return what a refused call must leave alone."""
        files = {path.name: path.read_bytes() for path in self.state.glob("*.json")}
        return self.ours.run("nft", "-s", "list", "ruleset"), files

    def close(self) -> None:
        self.ours.run("nft", "flush", "ruleset")


def die_before(step: int) -> None:
    left = [step]
    for owner, name in ((blocking, "write_ledger"), (nftables, "load"), (blocklist_applying, "write_applied")):
        def dying(*arguments: Any, call: Any = getattr(owner, name), **keywords: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)
        setattr(owner, name, dying)


@pytest.fixture
def lists(two: list[Host], tmp_path: Path) -> Iterator[Lists]:
    made = Lists(two, tmp_path / "state")
    yield made
    made.close()


def statuses(answer: dict[str, Any]) -> set[tuple[str, str]]:
    return {(row["check"], row["status"]) for row in answer["checks"]}


def test_check_run_check_run_and_what_leaves_the_list_is_released(lists: Lists) -> None:
    text = f"# bad\n{lists.other.address}\n{lists.other.address6}/128 ; SBL\n203.0.113.0/25\n203.0.113.128/25\n"
    seen = lists(text, check_mode=True)
    assert seen["changed"] and not lists.state.exists() and lists.ours.reaches(lists.other)
    done = lists(text)
    assert done["changed"] and statuses(done) == {("rules.blocklists", "ok")}, done
    assert not lists.ours.reaches(lists.other) and not lists.other.reaches(lists.ours, version=6)
    assert lists.reasons() == dict.fromkeys((lists.other.address, lists.other.address6, "203.0.113.0/24"), "blocklist a")
    for again in (lists(text, check_mode=True), lists(text)):
        assert not again["changed"] and again["diff"] == {"before": "", "after": ""}
    lists.block(address="198.51.100.7", reason="INC-42")
    assert lists("203.0.113.0/24\n")["changed"]
    assert lists.reasons() == {"203.0.113.0/24": "blocklist a", "198.51.100.7": "INC-42"}
    assert lists.ours.reaches(lists.other) and lists.ours.reaches(lists.other, version=6)
    assert statuses(lists(state="query")) == {("rules.blocklists", "ok")}


def test_what_is_broken_is_refused_and_changes_nothing(lists: Lists) -> None:
    many = "".join(f"203.0.113.{number}\n" for number in range(0, 200, 2))
    lists(many, "198.51.100.0/24\n")
    before = lists.everything()
    for broken, why in (
        ("", "the blocklist a is empty, and had 100 entries before"), ("# nothing\n", "is empty"), ("203.0.113.0\n", "shrank from 100 entries to 1"),
        ("".join(f"192.0.2.{number}\n" for number in range(0, 250)) + many * 2 + many.replace("203.0", "192.0"), ""),
        ("<html>404</html>\n", "line 1: '<html>404</html>' is no address or network"),
    ):
        answer = lists(broken, "198.51.100.0/24\n")
        if why:
            assert answer["failed"] and why in answer["msg"] and "Nothing was changed" in answer["msg"], answer
            assert lists.everything() == before
    answer = lists("203.0.113.0\nwww\n", "198.51.100.0/24\n", skip_invalid=True, accept_change=["a"])
    assert answer["status"] == "warning" and "1 lines cannot be read (line 2: 'www'" in answer["checks"][0]["summary"]
    assert lists.reasons() == {"203.0.113.0": "blocklist a", "198.51.100.0/24": "blocklist b"}
    assert lists("", accept_change=["a"])["changed"] and lists.reasons() == {}


def test_a_list_that_holds_who_is_allowed_spares_them_and_says_so(lists: Lists) -> None:
    answer = lists(f"{lists.other.address}\n127.0.0.0/8\n203.0.113.7\n", allow=["192.0.2.0/24"])
    assert statuses(answer) == {("rules.blocklists", "warning")} and "which is always allowed" in answer["checks"][0]["summary"]
    assert answer["lists"][0]["spared"] == [{"address": lists.other.address, "reason": "it belongs to 192.0.2.0/24, which is always allowed"}]
    assert answer["lists"][0]["left_out"] == 1 and set(lists.reasons()) == {"203.0.113.7"} and lists.ours.reaches(lists.other)
    wide = lists("192.0.0.0/16\n", allow=["192.0.2.0/24"], accept_change=["a"])
    assert set(lists.reasons()) == {"192.0.0.0/16"} and lists.ours.reaches(lists.other), wide


def test_what_the_kernel_has_lost_is_critical_and_put_back(lists: Lists) -> None:
    lists("203.0.113.7\n")
    lists.ours.run("nft", "flush", "ruleset")
    assert statuses(lists(state="query")) == {("rules.blocklists", "critical")}
    assert lists("203.0.113.7\n")["changed"]
    assert statuses(lists(state="query")) == {("rules.blocklists", "ok")}


def test_a_list_whose_networks_are_blocked_for_others_or_spared_is_no_false_alarm(lists: Lists) -> None:
    lists.block(address="203.0.113.7", reason="INC-42")
    lists("203.0.113.7\n198.51.100.0/24\n", "198.51.100.0/24\n", "192.0.2.2\n", allow=["192.0.2.0/24"])
    seen = lists(state="query", return_all=True)
    assert [(row["subject"], row["status"], row["value"]) for row in seen["checks"]] == [("a", "ok", 1), ("b", "ok", 0), ("c", "ok", 0)], seen
    assert "1 more are blocked for others, or spared" in seen["checks"][0]["summary"]
    # An incident takes over what the list has; it is blocked all the same.
    lists.block(address="198.51.100.0/24", reason="INC-43")
    assert statuses(lists(state="query")) == {("rules.blocklists", "ok")}
    lists.block(state="absent", all=True)
    seen = lists(state="query", return_all=True)
    assert {row["subject"]: row["status"] for row in seen["checks"]} == {"a": "critical", "b": "ok", "c": "ok"}


def test_what_was_noted_before_networks_were_is_read_and_judged_by_what_can_be_known(lists: Lists) -> None:
    lists.block(address="203.0.113.7", reason="INC-42")
    lists("198.51.100.0/24\n", "203.0.113.7\n")
    file = lists.state / "blocklists.json"
    file.write_text(json.dumps({"schema": 1, "lists": {"a": 1, "b": 1}}))
    seen = {row["subject"]: row for row in lists(state="query", return_all=True)["checks"]}
    assert (seen["a"]["status"], seen["b"]["status"]) == ("ok", "unknown") and "was not noted" in seen["b"]["summary"]
    assert not lists("198.51.100.0/24\n", "203.0.113.7\n", check_mode=True)["changed"] and "owned" not in file.read_text()
    # The next run notes it, though nothing else changes.
    assert not lists("198.51.100.0/24\n", "203.0.113.7\n")["changed"]
    assert json.loads(file.read_text())["owned"] == {"a": ["198.51.100.0/24"], "b": []}
    assert statuses(lists(state="query")) == {("rules.blocklists", "ok")}


def test_killed_before_each_step_the_next_run_completes_it(lists: Lists) -> None:
    died = 0
    while True:
        lists("198.51.100.0/24\n", accept_change=["a"])
        if lists("203.0.113.7\n", accept_change=["a"], step=died):
            break
        died += 1
        assert died < 10
        lists("203.0.113.7\n", accept_change=["a"])
        assert lists.reasons() == {"203.0.113.7": "blocklist a"}
        assert json.loads((lists.state / "blocklists.json").read_text())["lists"] == {"a": 1}
        assert block_ledger.read_ledger(lists.state).entries
    assert died >= 4
