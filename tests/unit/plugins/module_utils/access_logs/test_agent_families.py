"""User agents by the name of the product, whatever somebody wrote into them."""

from __future__ import annotations

import random
import re

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.agent_families import agent_families, agent_family

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
FAMILIES = {
    "curl/8.5.0": "curl",
    "python-requests/2.32.3": "python-requests",
    "Go-http-client/1.1": "Go-http-client",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)": "Apache-HttpClient",
    "Java1.8.0_391": "Java",
    "okhttp/4.12.0": "okhttp",
    "node": "node",
    "k6/0.49.0 (https://k6.io/)": "k6",
    "agent 1234567": "agent",
    CHROME: "Chrome",
    f"{CHROME} Edg/131.0.0.0": "Edge",
    f"{CHROME} OPR/116.0.0.0": "Opera",
    CHROME.replace("Chrome/", "HeadlessChrome/"): "HeadlessChrome",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1": "Chrome",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15": "Safari",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0": "Firefox",
    "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko": "Internet Explorer",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)": "Internet Explorer",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "Googlebot",
    f"{CHROME[:-14]} (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0 Safari/537.36": "bingbot",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)": "GPTBot",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": "facebookexternalhit",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)": "Baiduspider",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": "Slackbot-LinkExpanding",
    "Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)": "CensysInspect",
    "Mozilla/5.0 (compatible; Reader/1.1; +https://example.com/bot.html)": "Reader",
    "Mozilla/5.0 zgrab/0.x": "zgrab",
    "worker-12345-a/1.0": "worker-#-a",
    "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36": "Chrome",
    "Mozilla/5.0": "Mozilla",
    "-": "(none)",
    "": "(none)",
    "() { :; }; /bin/bash -c 'id'": "(other)",
    "<script>alert(1)</script>": "(other)",
    "\x1b[31mred": "(other)",
    "a8f3e21bc94d77e0a1": "(random)",
    "session-12345": "session",
    "(": "(other)",
}


@pytest.mark.parametrize(("agent", "family"), FAMILIES.items(), ids=range(len(FAMILIES)))
def test_a_family_is_the_name_of_the_product(agent: str, family: str) -> None:
    assert agent_family(agent) == family


def test_versions_of_a_product_are_one_family() -> None:
    counted = agent_families({f"curl/8.{minor}.0": minor for minor in range(5)} | {"-": 7, "": 2})
    assert counted == {"curl": 10, "(none)": 9}


def test_whatever_is_written_becomes_a_short_plain_name() -> None:
    chance = random.Random(5)
    alphabet = "aZ09 /;(),.:-_#+\\\"'<>\x00\x1b\xff"
    texts = ["".join(chance.choices(alphabet, k=chance.randrange(60))) for _number in range(3000)]
    texts += ["(" * 100_000, "1" * 100_000, "a1." * 100_000, "Mozilla/5.0 " + "(a" * 100_000, "bot" * 100_000]
    for text in texts:
        assert re.fullmatch(r"[A-Za-z0-9._+!@#-]{1,40}|\((none|other|random)\)", agent_family(text)), text
