"""What caches say, whoever's they are, and the share that is made of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs import cache_words
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.cache_words import (
    ASKED,
    FROM_CACHE,
    NOT_ASKED,
    cache_figures,
    cache_kind,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import read_format
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import EXTENDED, NOW, check, extended, inspect, line

#: What was said, by product, and what it means.
SAID = {
    FROM_CACHE: (
        "HIT", "STALE", "UPDATING", "REVALIDATED",  # nginx and Cloudflare
        "hit", "revalidated", "stream_hit",  # Cloudflare's Logpush
        "Hit", "RefreshHit", "OriginShieldHit", "Hit from cloudfront", "RefreshHit from cloudfront",
        "HIT-CLUSTER", "HIT-STALE", "HIT-STALE-WAIT-CLUSTER", "HIT, HIT", "MISS, HIT", "HIT,MISS",  # Fastly
        "TCP_HIT", "TCP_MEM_HIT/200", "TCP_REFRESH_UNMODIFIED", "TCP_REF_FAIL_HIT", "TCP_INM_HIT/304:HIER_NONE", "HIT from proxy.example.com",
        "hit-fresh", "REMOTE_HIT", "ExampleCache; hit", "Origin; fwd=miss, Edge; hit; ttl=30",
    ),
    ASKED: (
        "MISS", "BYPASS", "EXPIRED", "SCARCE", "miss", "Miss", "Error", "Miss from cloudfront", "Error from cloudfront",
        "PASS", "pass", "MISS-CLUSTER", "MISS, MISS", "HITPASS", "hitmiss", "TCP_MISS/200", "TCP_REFRESH_MODIFIED", "TCP_CLIENT_REFRESH_MISS",
        "TCP_EXPIRED_MISS", "ExampleCache; fwd=uri-miss; stored", "what is this", "HITS", "\x1b[31m", "é", ",", "-x",
    ),
    NOT_ASKED: (
        "-", "", " ", "dynamic", "DYNAMIC", "NONE/UNKNOWN", "none", "unknown", "Redirect", "LimitExceeded", "FunctionGeneratedResponse from cloudfront",
        "HIT-SYNTH", "synth", "pipe", "TCP_DENIED/403", "TCP_TUNNEL/200", "NONE_NONE/400", "-, -", "N/A",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), [(said, meant) for meant, all_said in SAID.items() for said in all_said])
def test_a_word_means_what_its_product_means_by_it(said: str, meant: str) -> None:
    assert cache_kind(said) == meant


def test_no_word_of_the_table_has_two_meanings() -> None:
    words = [word for product in cache_words._TABLE.values() for kind in product.values() for word in kind.split()]
    assert len(words) == len(set(words)) and all(word == word.upper() for word in words)


def test_a_value_without_end_takes_no_time() -> None:
    assert cache_kind("x-" * 1_000_000) == ASKED
    assert cache_kind("," * 1_000_000 + "HIT") == ASKED


def test_the_share_is_of_what_the_cache_could_have_had() -> None:
    found = cache_figures({"hit": 60, "RefreshHit": 10, "Miss": 20, "Error": 10, "dynamic": 300, "-": 5, "": 7})
    assert {key: found[key] for key in ("requests", "hit_percent", "never_kept")} == {"requests": 100, "hit_percent": 70.0, "never_kept": 300}
    assert cache_figures({"-": 5, "": 7}) == {"requests": 0, "hit_percent": None, "never_kept": 0, "statuses": {"": 7, "-": 5}}


@pytest.mark.parametrize(
    ("variables", "taken"),
    [
        ('"$upstream_http_x_cache"', "upstream_http_x_cache"), ('"$sent_http_x_cache"', "sent_http_x_cache"),
        ("$sent_http_cf_cache_status", "sent_http_cf_cache_status"),
        ('$upstream_cache_status "$sent_http_x_cache"', "upstream_cache_status"),
        ('"$sent_http_x_cache" $upstream_cache_status', "upstream_cache_status"),
    ],
)  # fmt: skip
def test_a_header_may_say_it_where_nginx_has_no_cache_of_its_own(variables: str, taken: str) -> None:
    assert read_format(f"$msec $status {variables}").fields["cache"] == taken


def write(path: Path, text: str) -> str:
    path.write_text(text)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return str(path)


def cache_of(result: dict[str, Any]) -> tuple[str, float, str]:
    row = check(result, "access.cache")
    return row["status"], row["value"], row["summary"]


def test_logs_of_a_cdn_are_a_group_beside_those_of_nginx(tmp_path: Path) -> None:
    """Their header holds blanks and commas; JSON of a CDN has keys of its own."""
    x_cache = f'{EXTENDED.partition(" $request_time")[0]} "$sent_http_x_cache"'
    fastly = write(tmp_path / "fastly.log", line(more=' "MISS, HIT"') * 150 + line(more=' "MISS, MISS"') * 49 + line(more=' "say \\"HIT\\""'))
    pushed = {"EdgeStartTimestamp": "2026-11-28T11:30:00Z", "EdgeResponseStatus": 200, "ClientRequestURI": "/a", "ClientCountry": "de"}
    cloudflare = write(
        tmp_path / "cloudflare.json",
        "".join(json.dumps({**pushed, "CacheCacheStatus": said}) + "\n" for said in ["hit"] * 90 + ["miss"] * 10 + ["dynamic"] * 200),
    )
    nginx = write(tmp_path / "nginx.log", extended(cache="HIT") * 120 + extended(cache="BYPASS") * 80)
    keys = {"time": "EdgeStartTimestamp", "status": "EdgeResponseStatus", "path": "ClientRequestURI", "cache": "CacheCacheStatus", "country": "ClientCountry"}
    groups = [
        {"name": "fastly", "paths": [fastly], "format": x_cache},
        {"name": "cloudflare", "paths": [cloudflare], "format": "json", "fields": keys},
        {"name": "nginx", "paths": [nginx], "format": EXTENDED},
    ]
    result = inspect(groups=groups, return_all=True, cache_warning_percent=80.0, cache_critical_percent=50.0)
    found = {row["subject"]: (row["status"], row["value"]) for row in result["checks"] if row["check"] == "access.cache"}
    assert found == {"fastly": ("warning", 75.0), "cloudflare": ("ok", 90.0), "nginx": ("warning", 60.0)}
    assert "90 % of 100 requests of cloudflare were answered from the cache (warning 80 %, critical 50 %); 200 more were for what is never kept" in (
        check(result, "access.cache", "cloudflare")["summary"]
    )


@pytest.mark.parametrize(("said", "status"), [("DYNAMIC", "critical"), ("-", "ok")])
def test_a_cdn_that_keeps_nothing_any_more_is_not_silent(tmp_path: Path, said: str, status: str) -> None:
    path = write(tmp_path / "a.log", extended(cache=said) * 100)
    result = inspect(paths=[path], format=EXTENDED, cache_warning_percent=80.0, cache_critical_percent=50.0)
    assert cache_of(result)[0] == status
    assert ("0 % of 100 requests" in cache_of(result)[2]) == (said == "DYNAMIC")
    assert cache_of(inspect(paths=[path], format=EXTENDED))[0] == "ok"
