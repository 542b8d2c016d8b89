"""Secrets of a call stay out of what is shown of it."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.discretion import MASK, discreet, secrets_of

PARAMS = {
    "probes": [
        {"type": "http", "url": "https://user:s3%40cret@a.test/?x=1", "headers": {"Authorization": "Bearer abc", "Accept": "*/*"}},
        {"type": "tcp", "port": 80, "send": "AUTH hunter22"},
        {"type": "http", "url": "http://token@a.test/", "body": "password=x", "headers": None},
        "no dictionary",
    ],
    "secret_headers": {"app": {"X-Key": "hidden"}},
    "wait_seconds": 0.0,
}


def test_what_is_shown_of_a_call_holds_no_secret():
    shown = discreet(PARAMS)
    text = str(shown)
    assert not [secret for secret in ("s3%40", "Bearer", "hunter22", "password", "hidden", "token") if secret in text]
    assert shown["probes"][0]["url"] == "https://a.test/?x=1"
    assert shown["probes"][0]["headers"] == {"Authorization": MASK, "Accept": MASK}
    assert shown["probes"][1]["port"] == 80
    assert shown["probes"][2]["headers"] is None
    assert PARAMS["probes"][1]["send"] == "AUTH hunter22", "the call itself is left as it is"


def test_a_password_that_is_not_encoded_is_not_shown_either():
    assert discreet({"url": "http://user:hunter/22@a.test/x"}) == {"url": "http://a.test/x"}
    assert discreet({"url": "http://user:hunter?22#@a.test/x"}) == {"url": "http://a.test/x"}
    assert discreet({"url": "http://a.test:80/packages/@scope"}) == {"url": "http://a.test:80/packages/@scope"}


def test_what_a_target_might_send_back_is_known():
    assert secrets_of(PARAMS) == {"Bearer abc", "s3%40cret", "s3@cret"}
    assert secrets_of({"probes": None}) == set()
