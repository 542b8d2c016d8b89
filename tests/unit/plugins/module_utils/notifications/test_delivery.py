"""Who is tried in which order, when channels fail."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.channel_checks import channel_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.contacts import (
    Channel,
    Contact,
    channels,
    read_contacts,
    sendable_contacts,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import (
    ChannelFailed,
    Delivery,
    deliver,
    ring,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.state_file import Failure


def contact(role: str, *targets: str, audiences: str = "operations", level: int = 1, order: int = 1) -> Contact:
    return Contact(role, tuple(audiences.split()), level, order, tuple(Channel("mail", target) for target in targets))


class Post:
    """Sends to everybody but those that are broken, and notes what was sent."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.sent: list[str] = []
        self.failures: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def __call__(self, channel: Channel, audiences: tuple[str, ...], failures: Mapping[str, str]) -> None:
        if channel.target in self.broken:
            raise ChannelFailed("it is broken")
        with self._lock:
            self.sent.append(f"{channel.target}: {' '.join(audiences)}")
            self.failures[channel.target] = sorted(failures)


def delivered(contacts: list[Contact], *broken: str, audiences: str = "operations") -> tuple[Delivery, Post]:
    post = Post(*broken)
    return deliver(audiences.split(), contacts, post), post


CHAIN = [contact("second", "c", order=2), contact("third", "d", level=2), contact("first", "a", "b")]


@pytest.mark.parametrize(
    ("broken", "sent"),
    [
        ("", ["a: operations"]),
        ("a", ["b: operations"]),
        ("a b", ["c: operations"]),
        ("a b c", ["d: operations"]),
        ("a b c d", []),
    ],
)
def test_the_next_one_is_tried_until_one_works(broken: str, sent: list[str]) -> None:
    delivery, post = delivered(CHAIN, *broken.split())
    assert post.sent == sent
    assert delivery.told == ({"operations"} if sent else set())
    assert sorted(attempt.channel.target for attempt in delivery.attempts if attempt.reason) == broken.split()


def test_who_is_told_in_place_of_others_hears_which_channels_failed() -> None:
    _delivery, post = delivered(CHAIN, "a", "b")
    assert post.failures == {"c": ["mail a", "mail b"]}


def test_the_same_level_and_order_are_told_together() -> None:
    team = [contact("mailbox", "a"), contact("chat", "b"), contact("second", "c", order=2)]
    delivery, post = delivered(team, "b")
    # The mailbox was reached: the audience knows. That the chat failed is a check.
    assert post.sent == ["a: operations"] and delivery.told == {"operations"}
    assert delivered(team, "a", "b")[1].sent == ["c: operations"]


def test_a_contact_of_two_audiences_gets_one_message() -> None:
    boss = contact("owner", "boss", audiences="management stakeholders", level=3)
    delivery, post = delivered([boss], audiences="stakeholders management")
    assert post.sent == ["boss: management stakeholders"]
    assert delivery.told == {"management", "stakeholders"}


def test_two_contacts_with_one_address_get_one_message() -> None:
    assert delivered([contact("one", "a"), contact("two", "a")])[1].sent == ["a: operations"]


def test_a_channel_that_failed_is_not_tried_again_for_another_audience() -> None:
    team = [contact("one", "a", audiences="operations"), contact("two", "b", "a", audiences="security", order=1)]
    delivery, _post = delivered(team, "a", "b", audiences="operations security")
    assert len([attempt for attempt in delivery.attempts if attempt.channel.target == "a"]) <= 2
    assert delivery.told == set()


def test_an_audience_without_anybody_is_not_told() -> None:
    assert delivered(CHAIN, audiences="security")[0].told == set()


def checks_after(*broken: str, lacking: dict[str, str] | None = None, failures: dict[str, Failure] | None = None) -> dict[str, tuple[str, str]]:
    delivery, _post = delivered(CHAIN, *broken)
    found = channel_checks(delivery, channels(CHAIN), lacking=lacking or {}, failures=failures or {})
    assert all(check["check"] == "notify.channel" for check in found)
    return {check["subject"]: (check["status"], check["summary"]) for check in found}


def test_what_worked_is_ok_and_what_was_not_needed_has_no_row() -> None:
    assert checks_after() == {"mail a": ("ok", "mail a took the message to operations.")}


def test_a_failure_with_a_fallback_is_a_warning_that_names_it() -> None:
    found = checks_after("a")
    assert found["mail a"] == ("warning", "mail a failed: it is broken. operations was told over mail b.")
    assert found["mail b"][0] == "ok"


def test_nobody_reached_is_critical() -> None:
    found = checks_after("a", "b", "c", "d")
    assert {status for status, _summary in found.values()} == {"critical"}
    assert "Nobody of operations could be told" in found["mail d"][1]


def test_what_cannot_be_used_or_failed_the_last_time_is_a_warning_though_nothing_was_sent() -> None:
    found = checks_after(lacking={"mail c": "no server"}, failures={"mail d": Failure("2026-11-22T05:00:00Z", "refused")})
    assert found["mail c"] == ("warning", "mail c cannot be used: no server.")
    assert found["mail d"][0] == "warning" and "2026-11-22T05:00:00Z" in found["mail d"][1]


def test_ringing_tries_every_channel_once() -> None:
    post = Post("b")
    delivery = ring(channels([*CHAIN, contact("again", "a")]), [*CHAIN, contact("again", "a")], post)
    assert sorted(post.sent) == ["a: operations", "c: operations", "d: operations"]
    assert delivery.failures == {"mail b": "it is broken"}


def test_channels_that_only_people_can_use_are_left_out() -> None:
    phone = {"type": "phone", "address": "+49 30 1234567", "name": "", "path": ""}
    hook = {"type": "webhook", "address": "", "name": "ops_chat", "path": ""}
    base = {"name": "", "audiences": ["operations"], "level": 1, "order": 1}
    platform = {"contacts": [{**base, "role": "a", "channels": [phone]}, {**base, "role": "b", "channels": [phone, hook]}]}
    given = sendable_contacts(platform)
    assert given == [{"role": "b", "audiences": ["operations"], "level": 1, "order": 1, "channels": [{"type": "webhook", "name": "ops_chat"}]}]
    assert [one.label for one in read_contacts(given)[0].channels] == ["webhook ops_chat"]


@pytest.mark.parametrize("wrong", [{}, {"role": "a", "audiences": ["b"], "channels": [{"type": "pigeon"}]}, {"role": "a", "audiences": ["b"], "channels": []}])
def test_a_contact_of_another_form_is_refused_by_index(wrong: dict[str, object]) -> None:
    with pytest.raises(UpkeepError, match=r"contacts\[0\]"):
        read_contacts([wrong])
