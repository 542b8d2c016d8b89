"""New random values: their alphabet, their length, and what is too weak."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.values import new_value, refuse_weak

USUAL = {"encoding": "base64url", "bytes": 48, "characters": 64}


@pytest.mark.parametrize(
    ("secret", "pattern"),
    [
        (USUAL, rb"[A-Za-z0-9_-]{64}"),
        ({**USUAL, "encoding": "hex", "bytes": 32}, rb"[0-9a-f]{64}"),
        ({**USUAL, "encoding": "alphanumeric", "characters": 22}, rb"[A-Za-z0-9]{22}"),
    ],
)
def test_alphabet_and_length(secret: dict[str, Any], pattern: bytes) -> None:
    found = {new_value(secret) for _number in range(50)}
    assert len(found) == 50 and all(re.fullmatch(pattern, value) for value in found)


def test_a_value_has_as_many_random_bytes_as_asked_for() -> None:
    assert len(base64.urlsafe_b64decode(new_value({**USUAL, "bytes": 50}) + b"==")) == 50


@pytest.mark.parametrize("wrong", [{"bytes": 15}, {"bytes": 513}, {"encoding": "hex", "bytes": 8}, {"encoding": "alphanumeric", "characters": 21}])
def test_what_can_be_guessed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UpkeepError, match="must be between"):
        refuse_weak({**USUAL, **wrong}, "secrets[0]")
    refuse_weak({**USUAL, "encoding": "alphanumeric", "bytes": 1}, "secrets[0]")
