"""A command that a message names can be copied. That Ansible takes the whole value is tried by a gate."""

from __future__ import annotations

import shlex

from ansible_collections.upkeep.runbook.plugins.module_utils.extra_variables import extra_variable


def test_quotes_are_there_for_ansible_too() -> None:
    assert extra_variable("upkeep_confirm", "NeuroSense FX") == """-e 'upkeep_confirm="NeuroSense FX"'"""
    assert shlex.split(extra_variable("upkeep_confirm", "Bob's shop")) == ["-e", """upkeep_confirm="Bob's shop\""""]
    assert extra_variable("x", "a\x1b[2J\nb").isprintable()
