"""What counters say of an interval: never negative, whatever was reset, restarted or not told."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import (
    LAST_LOOK,
    RESET,
    Interval,
    Look,
    comparable,
    interval_between,
)

BEFORE = Look(1000.0, 500.0, 500.0, {"hits": 100.0, "misses": 50.0, "gone": 7.0})


def test_counters_that_went_on_give_their_differences() -> None:
    between = interval_between(BEFORE, Look(1100.0, 500.0, 500.0, {"hits": 190.0, "misses": 60.0, "new": 3.0}))
    assert (between.seconds, between.since) == (100.0, LAST_LOOK)
    assert between.counts == {"hits": 90.0, "misses": 10.0}, "what only one of them tells is not known"
    assert between.share("hits", "misses") == 90.0
    assert between.rate("hits", "misses") == 1.0
    assert between.count("new") is between.count("gone") is between.rate("hits", "new") is between.share("gone") is None


def test_a_restart_counts_from_the_restart() -> None:
    between = interval_between(BEFORE, Look(1100.0, 1060.0, 1060.0, {"hits": 150.0, "misses": 20.0}))
    assert (between.seconds, between.since, between.counts) == (40.0, RESET, {"hits": 150.0, "misses": 20.0})


def test_a_server_that_started_within_this_second_has_counted_for_a_part_of_it() -> None:
    """It tells a time of no seconds."""
    between = interval_between(BEFORE, Look(1100.0, 1100.0, 1100.0, {"hits": 5.0}))
    assert (between.seconds, between.rate("hits")) == (1.0, 5.0)
    shortly_after = interval_between(BEFORE, Look(1000.25, 0.0, 1000.25, {"hits": 5.0}))
    assert (shortly_after.since, shortly_after.rate("hits")) == (RESET, 20.0)


def test_a_counter_that_went_back_was_reset_after_the_last_look() -> None:
    """Nobody says when: what is counted now happened since the last look, so that the rate is at most too low."""
    between = interval_between(BEFORE, Look(1100.0, 500.0, 500.0, {"hits": 5.0, "misses": 60.0}))
    assert (between.seconds, between.since, between.counts) == (100.0, RESET, {"hits": 5.0, "misses": 60.0})


def test_a_counter_that_is_reset_alone_says_nothing_of_the_others() -> None:
    """Somebody empties the slow log: what the others have counted since the start of the server did not happen since the last look."""
    alone = frozenset({"misses"})
    emptied = interval_between(BEFORE, Look(1100.0, 500.0, 500.0, {"hits": 105.0, "misses": 3.0, "new": 9.0}, alone))
    assert (emptied.seconds, emptied.since, emptied.counts) == (100.0, LAST_LOOK, {"hits": 5.0, "misses": 3.0})
    others = interval_between(BEFORE, Look(1100.0, 500.0, 500.0, {"hits": 7.0, "misses": 53.0, "gone": 8.0}, alone))
    assert (others.since, others.counts) == (RESET, {"hits": 7.0, "misses": 3.0, "gone": 8.0}), "those that are reset together are all of now"
    restarted = interval_between(BEFORE, Look(1100.0, 1060.0, 1060.0, {"hits": 150.0, "misses": 70.0}, alone))
    assert restarted.counts == {"hits": 150.0, "misses": 70.0}


@pytest.mark.parametrize(
    ("after", "can"),
    [
        (Look(1100.0, 500.0, 500.0, {"hits": 1.0}), True),
        (Look(1100.0, 500.0, 555.0, {"hits": 1.0}), True),  # told inexactly
        (Look(1100.0, 1050.0, 1050.0, {"hits": 1.0}), True),  # it was restarted since
        (Look(1100.0, 0.0, 0.0, {"hits": 1.0}), True),  # it does not tell
        (Look(1100.0, 300.0, 300.0, {"hits": 1.0}), False),  # another server took over
        (Look(1100.0, 800.0, 800.0, {"hits": 1.0}), False),
        (Look(1100.0, 500.0, 500.0, {"hits": 1.0, "new": 2.0}), False),  # the earlier look could not see it
    ],
)
def test_which_earlier_look_can_be_compared_with(after: Look, can: bool) -> None:
    assert comparable(BEFORE, after) is can


@pytest.mark.parametrize("began", [0.0, 501.0, 499.0, 560.0, 1000.5])
def test_a_start_that_is_not_told_or_told_inexactly_is_no_restart(began: float) -> None:
    assert interval_between(BEFORE, Look(1100.0, began, began, {"hits": 101.0})).since == LAST_LOOK


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    between = interval_between(BEFORE, Look(900.0, 500.0, 500.0, {"hits": 101.0}))
    assert between.seconds == 0.0 and between.rate("hits") is None and between.count("hits") == 1.0


def test_nothing_that_happened_has_no_share() -> None:
    assert Interval(10.0, LAST_LOOK, {"hits": 0.0, "misses": 0.0}).share("hits", "misses") is None
