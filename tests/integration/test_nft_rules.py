"""Rules are loaded into the real kernel, in network namespaces: the timer gives back, other tables stay, a restart finds the same.

The first host has the rules, the second is the operator's, the third a client.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import (
    nftables,
    revert_timer,
    rules_loading,
    rules_persisting,
    rules_record,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocked_now import blocked_now
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocking import block_addresses
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_loading import manage_rules
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import blocked_addresses, ip_block, nft_rules
from ansible_collections.upkeep.runbook.tests.integration.networks import Host, answered, given_options, hosts, wait_until
from ansible_collections.upkeep.runbook.tests.integration.systemd_stand_in import Systemd

pytestmark = pytest.mark.usefixtures("root")

#: What is there before: rules of nftables.service, also in a table that the new ones define, and of containers.
CONFIGURATION = (
    "#!/usr/sbin/nft -f\n\nflush ruleset\n\n"
    "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0;\n\t\tudp dport 9 accept\n\t}\n}\n"
)
OTHERS = "table ip docker {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n\t\tcounter\n\t}\n}\n"


def rules(*saddr: str, extra: str = "") -> str:
    """Return rules that let only these in."""
    passing = "\n".join(f"\t\tip saddr {one} accept" for one in saddr)
    return (
        "define port = 7\ntable inet filter {\n\tset seen {\n\t\ttype ipv4_addr; flags dynamic,timeout; timeout 1m;\n\t}\n"
        f"\tchain input {{\n\t\ttype filter hook input priority 0; policy drop;\n\t\tudp dport $port counter update @seen {{ ip saddr }}\n"
        f"{passing}\n\t}}\n}}\n{extra}"
    )


class Place:
    """The hosts, and the module on the first."""

    def __init__(self, three: list[Host], folder: Path) -> None:
        self.ours, self.operator, self.client = three
        self.systemd = Systemd(folder)
        self.state, self.path, self.configuration = folder / "state", folder / "nftables.d" / "rules.nft", folder / "nftables.conf"
        self.configuration.write_text(CONFIGURATION)
        self.configuration.chmod(0o755)
        self.restart()
        self.ours.run("nft", "-f", "-", given=OTHERS)

    def __call__(self, content: str | None = None, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Do what the module does."""
        return self.several([{"content": content, **options}], check_mode=check_mode)

    def several(self, calls: list[dict[str, Any]], step: int | None = None, *, check_mode: bool = False) -> dict[str, Any]:
        """Do what the module does, several times, and return the last answer.

        :param step: be killed before this step of those that change something; the answer is empty then.
        """
        place = {"path": str(self.path), "configuration": str(self.configuration), "state_directory": str(self.state)}

        def work() -> dict[str, Any]:
            os.environ["PATH"] = nftables.SEARCH_PATH = self.systemd.path
            if step is not None:
                die_before(step)
            return [manage_rules(given_options(nft_rules, {**place, **one}), now=utc_now(), check_mode=check_mode) for one in calls][-1]

        return self.ours.use(work) or {}

    def whole(self, content: str) -> None:
        """Load rules and confirm them."""
        for answer in (self(content), self(state="confirmed")):
            assert not answer.get("failed"), answer

    def restart(self) -> None:
        """Do what nftables.service does when it is restarted."""
        self.ours.run("nft", "flush", "ruleset")
        self.ours.run("nft", "-f", str(self.configuration))

    def come_in(self) -> list[bool]:
        """Tell whether the operator and the client do."""
        return answered([(self.operator, self.ours, 4), (self.client, self.ours, 4)])

    def who(self) -> str:
        """Tell whose rules are in force."""
        chain = self.ours.run("nft", "list", "ruleset")
        return "mine" if self.operator.address in chain else "theirs" if self.client.address in chain else "nobody"

    def tables(self) -> set[str]:
        return {line.removeprefix("table ") for line in self.ours.run("nft", "list", "tables").splitlines()}

    def ruleset(self) -> str:
        return self.ours.run("nft", "-s", "list", "ruleset")

    def close(self) -> None:
        self.systemd.close()
        self.ours.run("nft", "flush", "ruleset")


def die_before(step: int) -> None:
    left = [step]
    for owner, names in (
        (rules_record, ["write_record", "remove_ways_back"]), (revert_timer, ["arm_timer", "stop_timers"]), (nftables, ["load"]),
        (rules_persisting, ["keep", "drop", "write_atomically"]), (rules_loading, ["write_atomically"]),
    ):
        for name in names:
            def dying(*arguments: Any, call: Any = getattr(owner, name), **keywords: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **keywords)
            setattr(owner, name, dying)


@pytest.fixture(scope="module")
def three() -> Iterator[list[Host]]:
    with hosts(3) as made:
        yield made


@pytest.fixture
def place(three: list[Host], tmp_path: Path) -> Iterator[Place]:
    made = Place(three, tmp_path)
    yield made
    made.close()


def status(answer: dict[str, Any]) -> str:
    (check,) = answer["checks"]
    assert check["check"] == "rules.nftables"
    return str(check["status"])


def test_check_run_confirm_check_run_and_a_restart_of_the_service(place: Place) -> None:
    text = rules(place.operator.address)
    before = place.ruleset()
    seen = place(text, check_mode=True)
    assert seen["changed"] and seen["diff"]["after"] == text and place.ruleset() == before and not place.state.exists()
    loaded = place(text)
    assert loaded["changed"] and status(loaded) == "ok" and len(loaded["rules"]["timers"]) == 1 and not loaded["rules"]["confirmed"], loaded
    assert place.come_in() == [True, False] and not place.path.exists() and place.configuration.read_text() == CONFIGURATION
    assert status(place(state="query")) == "warning"
    assert not place(text)["changed"]  # a run that was killed before it confirmed
    assert place(state="confirmed", check_mode=True)["changed"] and not place.path.exists()
    confirmed = place(state="confirmed")
    assert confirmed["changed"] and status(confirmed) == "ok" and confirmed["rules"]["kept"] and not place.systemd.timers(), confirmed
    for again in (place(text, check_mode=True), place(text), place(state="confirmed"), place(state="reverted")):
        assert not again["changed"] and status(again) == "ok"
    after = place.ruleset()
    assert place.path.stat().st_mode & 0o777 == 0o600 and place.configuration.stat().st_mode & 0o777 == 0o755
    (replaced,) = place.state.glob("*.nft")  # nobody else may have what was in the table before
    assert "docker" in after and replaced.name.startswith("nft_rules.replaced-") and "udp dport 9 accept" in replaced.read_text()
    place.restart()
    assert place.come_in() == [True, False] and status(place(state="query")) == "ok"
    assert not place(text)["changed"]


def test_rules_that_cut_the_operator_off_are_taken_back_by_the_timer(place: Place) -> None:
    place.whole(rules(place.operator.address, place.client.address, extra="table ip old {\n}\n"))
    kept, tables = place.path.read_text(), place.tables()
    assert place(rules(place.client.address))["changed"]
    assert place.come_in() == [False, True] and "ip old" not in place.tables()
    place.systemd.fire()
    wait_until(lambda: place.come_in() == [True, True])
    assert place.tables() == tables and place.path.read_text() == kept
    late = place(state="confirmed")
    assert late["failed"] and "timer may have taken them back" in late["msg"]
    assert status(place(state="query")) == "critical"
    put_back = place(state="reverted")  # what the role does then
    assert put_back["changed"] and status(put_back) == "ok"
    assert not place(rules(place.operator.address, place.client.address, extra="table ip old {\n}\n"))["changed"]


def test_what_is_put_back_at_once_is_what_was_there(place: Place) -> None:
    place.whole(rules(place.operator.address))
    place.come_in()  # fills a set
    before = place.ours.run("nft", "list", "set", "inet", "filter", "seen").split("expires")[0]
    place(rules(place.client.address, extra="table ip new {\n}\n"))
    answer = place(state="reverted")
    assert answer["changed"] and status(answer) == "ok" and not place.systemd.timers() and list(place.state.glob("upkeep*.nft")) == []
    assert place.ours.run("nft", "list", "set", "inet", "filter", "seen").split("expires")[0] == before and "ip new" not in place.tables()


def test_rules_after_others_that_nobody_confirmed_go_back_to_those_that_were(place: Place) -> None:
    place.whole(rules(place.operator.address))
    before = place.ruleset()
    place(rules("192.0.2.66", extra="table ip second {\n}\n"))
    assert place(rules(place.client.address, extra="table ip third {\n}\n"))["changed"]
    assert place.who() == "theirs" and len(place.systemd.timers()) == 1 and "ip second" not in place.tables()
    place.systemd.fire()
    wait_until(lambda: place.ruleset() == before)


@pytest.mark.parametrize(("bad", "says"), [
    ("table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0;\n\t\ttcp dprot 22 accept\n\t}\n}\n", "line 4: "),
    ("flush ruleset\n" + rules(), "line 1: flush ruleset takes away every table"),
    ("table inet filter {\n\tchain input {\n\t\tjump nowhere\n\t}\n}\n", "nft did not accept the rules, and nothing was changed: line "),
    ("", "define no table"), ("include \"/etc/shadow\"\n" + rules(), "include is not accepted"), (None, "give the rules"),
])
def test_what_is_wrong_is_refused_and_changes_nothing(place: Place, bad: str | None, says: str) -> None:
    before = place.ruleset()
    for check_mode in (True, False):
        answer = place(bad, check_mode=check_mode)
        assert answer["failed"] and says in answer["msg"], answer
    assert place.ruleset() == before and not place.systemd.timers() and not (place.state / "nft_rules.json").exists()


def test_tables_of_the_product_and_of_others_stay(place: Place) -> None:
    options = given_options(ip_block, {"state_directory": str(place.state), "address": "198.51.100.7"})
    place.ours.use(lambda: block_addresses(options, now=utc_now(), check_mode=False))
    place.whole(rules(place.operator.address, extra="table ip old {\n}\n"))
    place.whole(rules(place.operator.address))
    assert place.tables() == {"inet upkeep_block", "ip docker", "inet filter"}
    assert "198.51.100.7" in place.ours.run("nft", "list", "table", "inet", "upkeep_block")
    assert place(state="absent")["changed"]
    assert place.tables() == {"inet upkeep_block", "ip docker"} and not place.path.exists()
    assert place.configuration.read_text() == CONFIGURATION and not place(state="absent")["changed"]
    assert all(place.come_in())


def test_what_somebody_changed_is_critical_and_loaded_again(place: Place) -> None:
    text = rules(place.operator.address)
    place.whole(text)
    place.ours.run("nft", "add", "rule", "inet", "filter", "input", "accept")
    assert status(place(state="query")) == "critical" and all(place.come_in())
    place.whole(text)
    assert place.come_in() == [True, False]
    place.path.unlink()
    assert status(place(state="query")) == "warning" and place(text)["changed"] and place.path.exists()
    place.configuration.write_text("flush rulset\n")
    answer = place(rules(place.client.address))
    assert answer["failed"] and "is broken" in answer["msg"] and place.come_in() == [True, False]


def test_a_timer_whose_time_is_over_before_the_rules_are_loaded_is_no_way_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before, load = sorted(place.ruleset().splitlines()), nftables.load

    def slow(text: str, *, check_only: bool = False) -> None:
        if not check_only and place.systemd.timers():
            place.systemd.fire()
            wait_until(lambda: not place.systemd.timers() and not list(place.systemd.folder.glob("*.service")))
        load(text, check_only=check_only)

    monkeypatch.setattr(nftables, "load", slow)
    answer = place(rules("192.0.2.77"))
    assert answer["failed"] and "timer was over before" in answer["msg"] and sorted(place.ruleset().splitlines()) == before
    assert not (place.state / "nft_rules.json").exists()


def test_a_run_that_waited_does_not_confirm_the_rules_of_another(place: Place) -> None:
    place(rules(place.operator.address), run_id="first")
    place(rules("192.0.2.77"), run_id="second")
    answer = place(state="confirmed", run_id="first")
    assert answer["failed"] and "loaded by another run since (second)" in answer["msg"] and place.systemd.timers()
    # One that finds the rules of a killed run makes them its own.
    assert not place(rules("192.0.2.77"), run_id="third")["changed"] and place(state="confirmed", run_id="third")["changed"]


def test_what_cannot_be_brought_back_is_refused_when_it_is_only_asked(place: Place) -> None:
    place.ours.run("iptables-nft", "-A", "INPUT", "-m", "hashlimit", "--hashlimit-name", "a", "--hashlimit-above", "5/sec", "-j", "DROP")
    for check_mode in (True, False):
        answer = place("table ip filter {\n}\n", check_mode=check_mode)
        assert answer["failed"] and "unsupported xtables" in answer["msg"] and "hashlimit" in place.ruleset()


def test_tables_that_came_back_after_a_run_died_in_confirming_go_with_the_next(place: Place) -> None:
    place.whole(rules(place.operator.address, extra="table ip old {\n}\n"))
    place(rules(place.client.address))
    assert place.several([{"state": "confirmed"}], 1) == {} and place.systemd.timers()  # noted, and the timer not stopped
    place.systemd.fire()
    wait_until(lambda: "ip old" in place.tables())
    place.systemd.rearm()
    place.whole(rules(place.client.address))
    assert "ip old" not in place.tables() and place.who() == "theirs"


def test_rules_of_hours_are_the_same_when_the_clocks_change(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "table inet filter {\n\tchain input {\n\t\tmeta hour \"08:00\"-\"17:00\" accept\n\t}\n}\n"
    monkeypatch.setenv("TZ", "UTC-1")
    place.whole(text)
    monkeypatch.setenv("TZ", "UTC-2")
    assert status(place(state="query")) == "ok" and not place(text)["changed"]


def test_the_audit_says_whether_rules_are_in_force_where_some_were_loaded(place: Place) -> None:
    def audited() -> tuple[str, str]:
        def work() -> dict[str, Any]:
            os.environ["PATH"] = nftables.SEARCH_PATH = place.systemd.path
            return blocked_now(given_options(blocked_addresses, {"state_directory": str(place.state), "return_all": True}), now=utc_now())
        rows = [row for row in (place.ours.use(work) or {})["checks"] if row["check"] == "rules.nftables"]
        return next(((row["subject"], row["status"]) for row in rows), ("", ""))

    assert audited() == ("", "")
    text = rules(place.operator.address)
    place.whole(text)
    assert audited() == (str(place.path), "ok")
    place.path.rename(place.path.with_suffix(".moved"))
    assert audited() == (str(place.path), "warning")
    place.path.with_suffix(".moved").rename(place.path)
    # A record of before says nothing of files; the next run notes them, and changes nothing else.
    file = place.state / "nft_rules.json"
    written = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in written.items() if key not in ("path", "configuration")}))
    assert audited() == (str(file), "unknown") and not place(text, check_mode=True)["changed"] and audited() == (str(file), "unknown")
    assert not place(text)["changed"] and audited() == (str(place.path), "ok") and json.loads(file.read_text()) == written
    place.ours.run("nft", "flush", "ruleset")
    assert audited() == (str(place.path), "critical")
    file.write_text("{")
    assert audited() == (str(file), "unknown")
    file.unlink()
    assert audited() == ("", "")


def test_without_systemd_nothing_is_loaded(place: Place) -> None:
    place.systemd.break_down()
    before = place.ruleset()
    answer = place(rules(place.operator.address))
    assert answer["failed"] and "Nothing was changed" in answer["msg"] and place.ruleset() == before


def test_where_nobody_can_see_the_timer_rules_are_taken_back_and_not_confirmed(place: Place) -> None:
    place.whole(rules(place.operator.address))
    mine, text = place.ruleset(), rules(place.operator.address, place.client.address)
    place(text)
    place.systemd.fall_silent()
    seen = place(state="query")
    assert status(seen) == "unknown" and seen["rules"]["timers"] is None and not seen["rules"]["confirmed"]
    before, record = place.ruleset(), (place.state / "nft_rules.json").read_text()
    for check_mode in (True, False):
        for answer in (place(text, check_mode=check_mode), place(state="confirmed", check_mode=check_mode)):
            assert answer["failed"] and "Nobody can tell whether" in answer["msg"] and "Failed to connect to bus" in answer["msg"]
    assert place.ruleset() == before and (place.state / "nft_rules.json").read_text() == record and place.client.address not in place.path.read_text()
    planned = place(state="reverted", check_mode=True)
    assert planned["changed"] and status(planned) == "warning" and place.ruleset() == before
    back = place(state="reverted")
    assert back["changed"] and status(back) == "warning" and "it changes nothing any more" in back["checks"][0]["summary"], back
    assert place.ruleset() == mine and len(place.systemd.timers()) == 1 and status(place(state="query")) == "ok"
    # Rules that are loaded meanwhile are not what the late timer brings back.
    place.systemd.speak()
    place.whole(rules(place.client.address))
    theirs = place.ruleset()
    place.systemd.fire()
    wait_until(lambda: not place.systemd.timers() and not list(place.systemd.folder.glob("*.service")))
    assert place.ruleset() == theirs


@pytest.mark.parametrize("confirmed", [False, True])
def test_rules_are_taken_away_where_systemd_does_not_answer_and_stay_away(place: Place, confirmed: bool) -> None:
    place.whole(rules(place.operator.address))
    calls: list[dict[str, Any]] = [{"content": rules(place.client.address)}]
    place.several(calls)
    if confirmed:  # noted, and the run was killed before it stopped the timer
        assert place.several([{"state": "confirmed"}], 1) == {}
    place.systemd.break_down()
    planned = place(state="absent", check_mode=True)
    assert planned["changed"] and status(planned) == "warning" and place.who() == "theirs"
    gone = place(state="absent")
    assert gone["changed"] and status(gone) == "warning" and "Nobody can tell whether" in gone["checks"][0]["summary"], gone
    assert place.who() == "nobody" and place.tables() == {"ip docker"} and len(place.systemd.timers()) == 1
    after = place.ruleset()
    place.systemd.fire()
    wait_until(lambda: not place.systemd.timers() and not list(place.systemd.folder.glob("*.service")))
    assert place.ruleset() == after and not place.path.exists() and not place(state="absent")["changed"]


def test_rules_of_a_killed_run_go_also_where_nobody_can_see_its_timer(place: Place) -> None:
    """It died when the kernel had the rules and before that was noted; their file is the only way back."""
    before = place.tables()
    assert place.several([{"content": rules("192.0.2.77", extra="table ip new {\n}\n")}], LOADED) == {} and "ip new" in place.tables()
    record = rules_record.read_record(place.state)
    assert record is not None and record.digest == ""
    place.systemd.fall_silent()
    assert place(state="absent")["changed"] and place.tables() == before


@pytest.mark.parametrize("step", ["load", "stop_timers"])
def test_systemd_falls_silent_in_the_middle(place: Place, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While rules are loaded, those from before come back. While they are confirmed they are not, and what takes them back still can."""
    before = sorted(place.ruleset().splitlines())
    owner: Any = nftables if step == "load" else revert_timer
    call = getattr(owner, step)

    def falling(*arguments: Any, **keywords: Any) -> Any:
        if place.systemd.timers():
            place.systemd.fall_silent()
        return call(*arguments, **keywords)

    if step == "stop_timers":
        place(rules(place.client.address))
    monkeypatch.setattr(owner, step, falling)
    answer = place(rules(place.client.address)) if step == "load" else place(state="confirmed")
    monkeypatch.undo()
    assert answer["failed"] and "Nobody can tell whether" in answer["msg"] and len(place.systemd.timers()) == 1, answer
    if step == "stop_timers":
        assert "not confirmed" in answer["msg"] and status(place(state="query")) == "unknown"
        put_back = place(state="reverted")  # what the role does then
        assert put_back["changed"] and status(put_back) == "warning"
    assert sorted(place.ruleset().splitlines()) == before and not (place.state / "nft_rules.json").exists()
    place.systemd.fire()
    wait_until(lambda: not place.systemd.timers() and not list(place.systemd.folder.glob("*.service")))
    assert sorted(place.ruleset().splitlines()) == before


#: The step of loading rules after which the kernel has them, and the record does not say so.
LOADED = 8

#: Steps of loading and confirming, or of taking rules away, that change something.
STEPS = {"loaded": 17, "absent": 8}


@pytest.mark.parametrize("last", STEPS)
def test_killed_before_any_step_there_is_a_way_back(place: Place, last: str, fault_runs: int, chance: random.Random) -> None:
    """What is in force unconfirmed has a timer, which gives back what was there; and the next run gets to where it was to get."""
    mine, theirs = rules(place.operator.address), rules(place.client.address)
    calls: list[dict[str, Any]] = [{"content": theirs}, {"state": "confirmed"}] if last == "loaded" else [{"state": "absent"}]
    end = "theirs" if last == "loaded" else "nobody"
    for step in sorted(chance.sample(range(STEPS[last]), min(fault_runs, STEPS[last]))):
        place.systemd.rearm()
        place.whole(mine)
        assert place.several(calls, step) == {}, f"there is no step {step}"
        record = rules_record.read_record(place.state)
        confirmed = record is not None and record.phase == "confirmed" and record.rules.text == theirs
        assert place.who() != "theirs" or place.systemd.timers() or confirmed, f"step {step}"
        if place.systemd.timers():
            place.systemd.fire()
            wait_until(lambda: not place.systemd.timers() and not list(place.systemd.folder.glob("*.service")))
            assert place.who() == "mine", f"step {step}"
            place.systemd.rearm()
        place(state="absent") if last == "absent" else place.whole(theirs)
        assert place.who() == end, f"step {step}"
        place.restart()
        assert place.who() == end and list(place.state.glob("upkeep*.nft")) == [], f"step {step}"
    place.whole(mine)
    assert place.several(calls, STEPS[last]) != {} and place.who() == end, "there are more steps"
