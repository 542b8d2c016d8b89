"""The fixture ``root`` of tests that only root can make."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def root() -> None:
    """Fail, and say why, where the test cannot be made: a test that is skipped proves nothing."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root, for other users, mounts or networks of its own; run the tests as root")
