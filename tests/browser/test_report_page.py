"""The page of a run in a real browser: complete, readable by everybody, and deaf to what targets write into it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.index_page import index_page
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.tests.browser.conftest import Visit, Visitor
from ansible_collections.upkeep.runbook.tests.browser.report_samples import HOSTILE, long_ago, sample

STATUS_WORDS = {"ok", "warning", "unknown", "critical", "not run"}


def written(directory: Path, html: str) -> Path:
    path = directory / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def assert_quiet(visit: Visit) -> None:
    """Nothing in the console, nothing asked for but the data address of the icon."""
    assert visit.console == []
    assert [url for url in visit.requests if not url.startswith("data:image/svg+xml,")] == []


@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("width", [1200, 390])
def test_no_complaint_no_request_no_sideways_scrolling(tmp_path: Path, visit: Visitor, hostile: bool, width: int) -> None:
    opened = visit(written(tmp_path, sample(hostile=hostile)), width=width)
    assert_quiet(opened)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_text_is_text(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample(hostile=True))).page
    assert page.evaluate("window.owned") is None
    body = page.evaluate("document.body.innerText.replace(/\\s+/g, ' ')")
    for text in HOSTILE:
        assert plain(text) in body, text
    assert page.locator("img, iframe, object, embed, base, form, input, link[rel=stylesheet]").count() == 0
    assert page.locator("script").count() == 1 and page.locator("style").count() == 1
    links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
    assert links and all(re.fullmatch(r"#[a-z]+(-\d+)?|\.\./\.\./index\.html", link) for link in links), links
    handlers = "all => all.flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on') || a.name === 'style').length"
    assert page.eval_on_selector_all("*", handlers) == 0
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", page.content())
    assert "62615533" not in page.eval_on_selector_all("bdi", "all => all.map(e => e.textContent).join(' ')")


@pytest.mark.parametrize(
    "injected",
    [
        "<script>window.owned = true</script>",
        "<img src=x onerror='window.owned = true'>",
        "<svg onload='window.owned = true'></svg>",
        "<iframe srcdoc='<script>parent.owned = true</script>'></iframe>",
        "<style>h1 { display: none }</style>",
        "<h2 style='position: fixed'>x</h2>",
        "<img src='http://127.0.0.1:9/leak'>",
    ],
)
def test_the_policy_blocks_what_escaping_would_let_through(tmp_path: Path, visit: Visitor, injected: str) -> None:
    html = sample().replace("<main>", f"<main>{injected}", 1)
    opened = visit(written(tmp_path, html))
    opened.page.wait_for_timeout(100)
    assert opened.page.evaluate("window.owned") is None
    assert any("Content Security Policy" in text for text in opened.console), opened.console
    assert opened.page.locator("h1").is_visible()
    assert opened.page.evaluate("[...document.querySelectorAll('h2')].every(e => getComputedStyle(e).position !== 'fixed')")


def test_the_policy_is_strict() -> None:
    for html in (sample(), index_page([])):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
        assert policy, html[:500]
        text = policy.group(1).replace("&#39;", "'").replace("&#x27;", "'")
        assert text.startswith("default-src 'none'; ")
        assert "unsafe" not in text and "*" not in text and "http" not in text
        assert html.index("Content-Security-Policy") < html.index("<style")


def test_old_data_is_called_stale(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample(ended=long_ago()))).page
    marker = page.get_by_role("status")
    assert marker.is_visible() and "STALE: this data is 3 days old" in marker.inner_text()
    assert "3 days ago" in page.locator(".when").inner_text()


def test_fresh_data_is_not(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample())).page
    assert not page.locator("#stale").is_visible()
    assert "less than a minute ago" in page.locator(".when").inner_text()
    page = visit(written(tmp_path, sample(ended=long_ago(), stale_after_minutes=0))).page
    assert not page.locator("#stale").is_visible()


def test_without_scripts_the_time_of_the_data_is_there(tmp_path: Path, visit: Visitor) -> None:
    opened = visit(written(tmp_path, sample(ended=long_ago())), scripts=False)
    assert long_ago().strftime("%Y-%m-%d") in opened.page.locator(".when").inner_text()
    assert opened.page.locator("h2#health").inner_text() == "UNHEALTHY"


def test_status_is_a_word_everywhere(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample())).page
    badges = page.eval_on_selector_all(
        ".badge, .tile dt", "all => all.map(e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent).join('').trim())"
    )
    assert len(badges) > 10 and set(badges) <= STATUS_WORDS
    chips = page.eval_on_selector_all(".chip", "all => all.map(e => e.textContent.trim().split(', ').pop())")
    assert chips and set(chips) <= STATUS_WORDS


def test_what_a_screen_reader_finds(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample()), width=390).page
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("banner", "main", "navigation", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role  # type: ignore[arg-type]
    levels = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "all => all.map(e => Number(e.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(levels, levels[1:])), levels
    for table in page.locator("table").all():
        assert (table.locator("caption").text_content() or "").strip()
        assert table.locator("thead th:not([scope=col])").count() == 0
        assert table.locator("tbody tr").count() == table.locator("tbody th[scope=row]").count()
    # On a phone the rows are laid out as cards and are still rows for who listens.
    table = page.get_by_role("table", name="Resources of web-1")
    assert table.get_by_role("row").count() == 3
    assert table.get_by_role("rowheader").count() == 2
    images = page.locator("svg[role=img]")
    assert images.count() > 3
    for image in images.all():
        assert image.get_attribute("aria-label")
    assert page.get_by_role("img", name=re.compile("^now 61 %|lowest .* highest")).count() >= 1
    identifiers = page.eval_on_selector_all("[id]", "all => all.map(e => e.id)")
    assert len(identifiers) == len(set(identifiers))
    targets = page.eval_on_selector_all("a[href^='#']", "all => all.map(e => e.getAttribute('href').slice(1))")
    assert set(targets) <= set(identifiers)


def test_the_keyboard_reaches_everything(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample())).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the problems"
    host = page.locator("details.host").first
    host.locator("summary").focus()
    opened = host.get_attribute("open")
    page.keyboard.press("Enter")
    assert host.get_attribute("open") != opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("good", [True, False])
def test_text_has_contrast(tmp_path: Path, visit: Visitor, scheme: str, good: bool) -> None:
    """At least 4.5 to 1 against the nearest background that is not transparent."""
    page = visit(written(tmp_path, sample(good=good)), scheme=scheme).page
    poor = page.evaluate(
        """() => {
          const light = ([r, g, b]) => { const f = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
            return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
          const numbers = text => text.match(/[\\d.]+/g).map(Number);
          const behind = e => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
            if (c.length === 3 || c[3] === 1) { return c; } } return [255, 255, 255]; };
          const found = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let node; (node = walker.nextNode());) {
            const e = node.parentElement;
            if (!node.textContent.trim() || !e.checkVisibility() || e.closest('svg, script, .hidden')) { continue; }
            const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))];
            const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (ratio < 4.5) { found.push(`${ratio.toFixed(2)} ${node.textContent.trim().slice(0, 40)}`); }
          }
          return found;
        }"""
    )
    assert poor == []


def test_the_parts_are_there(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample())).page
    assert page.title() == "UNHEALTHY: NeuroSense FX, daily"
    assert page.locator("main > section > h2, .banner h2").all_inner_texts() == ["UNHEALTHY", "Problems", "Hosts", "Suppressed", "Not run"]
    problems = page.locator(".problem")
    assert [" ".join(text.split())[:21] for text in problems.all_inner_texts()][:2] == ["✕ critical database-1", "✕ critical tick-backe"]
    assert "Next: Read the journal of tick-backend.service." in page.locator(".problems").inner_text()
    host = page.locator("details.host", has_text="web-1").first
    seen = ("12 ms", "99.98 %", "no data", "node server.js", "286.1 MiB", "0.94 / s", "63.5 %", "203.0.113.9", "root, admin", "fail2ban", "40.5 days")
    for text in (*seen, "Traffic", "Busiest routes", "Failed logins", "Blocked addresses", "Baselines"):
        assert text in host.inner_text(), text
    assert "20 of the last 23 runs healthy" in page.locator(".past").inner_text()
    assert "known leak" in page.locator("main").inner_text()
    assert page.get_by_role("link", name="Past runs").get_attribute("href") == "../../index.html"


def test_a_healthy_page_is_calm(tmp_path: Path, visit: Visitor) -> None:
    page = visit(written(tmp_path, sample(good=True))).page
    assert page.locator("h2#health").inner_text() == "HEALTHY"
    assert "None." in page.locator("main").inner_text()
    assert page.locator(".problem").count() == 0


def test_the_page_of_past_runs(tmp_path: Path, visit: Visitor) -> None:
    entry = {
        "run_id": "20261122T050000Z-1a2b3c4d", "platform": HOSTILE[0], "playbook": HOSTILE[1], "started": "2026-11-22T05:00:00Z",
        "ended": "2026-11-22T05:00:12Z", "status": "warning", "health": "DEGRADED", "hosts": 1, "counts": {"ok": 3, "warning": 1},
    }
    for width in (1200, 390):
        opened = visit(written(tmp_path, index_page([entry, {**entry, "platform": "Q"}])), width=width)
        assert_quiet(opened)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.evaluate("window.owned") is None
        assert opened.page.get_by_role("table").count() == 2
        assert HOSTILE[1] in opened.page.locator("main").inner_text()
