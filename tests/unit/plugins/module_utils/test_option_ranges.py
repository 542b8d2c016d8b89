"""What is refused, in which words, and what is not looked at."""

from __future__ import annotations

import math

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

RANGES = {"seconds": (0.1, 300), "members": (1, 1_000_000)}


def refusal(options: dict[str, float | None]) -> str:
    try:
        refuse_out_of_range(options, RANGES, "x[0].")
    except UpkeepError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ""),
        ({"seconds": None}, ""),
        ({"seconds": 0.1, "members": 1_000_000}, ""),
        ({"other": -1}, ""),
        ({"seconds": 0.05}, "x[0].seconds: 0.05 is not accepted; give 0.1 to 300."),
        ({"seconds": math.nan}, "x[0].seconds: nan is not accepted; give 0.1 to 300."),
        ({"seconds": math.inf, "members": 0}, "x[0].seconds: inf is not accepted; give 0.1 to 300."),
        ({"seconds": 1, "members": 0}, "x[0].members: 0 is not accepted; give 1 to 1000000."),
    ],
)
def test_the_first_number_out_of_range_is_named(options: dict[str, float | None], said: str) -> None:
    assert refusal(options) == said
