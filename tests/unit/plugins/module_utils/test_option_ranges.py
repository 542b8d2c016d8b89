"""What is refused, in which words, and what is not looked at."""

from __future__ import annotations

import math

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

RANGES = {"seconds": (0.1, 300), "members": (1, 1_000_000)}


@pytest.mark.parametrize("options", [{}, {"seconds": None}, {"seconds": 0.1, "members": 1_000_000}, {"other": -1}])
def test_accepted(options: dict[str, float | None]) -> None:
    refuse_out_of_range(options, RANGES)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seconds": 0.05}, "x[0].seconds: 0.05 is not accepted; give 0.1 to 300."),
        ({"seconds": math.nan}, "x[0].seconds: nan is not accepted; give 0.1 to 300."),
        ({"seconds": math.inf, "members": 0}, "x[0].seconds: inf is not accepted; give 0.1 to 300."),
        ({"seconds": 1, "members": 0}, "x[0].members: 0 is not accepted; give 1 to 1000000."),
    ],
)
def test_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        refuse_out_of_range(options, RANGES, "x[0].")
    assert caught.value.message == said
