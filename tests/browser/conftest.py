"""A real Chromium, and pages as the role renders them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Visit:
    """An open page and everything it complained about or asked for.

    :ivar console: messages of the console and errors of scripts.
    :ivar requests: addresses that the page asked for, itself left out.
    """

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once; its absence fails the tests, since a gate that cannot run is not green."""
    executable = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if executable is None:
        pytest.fail(f"no Chromium found (looked for {', '.join(CHROMIUM_NAMES)}); install it: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        # --no-sandbox: in containers and as root Chromium does not start with it; the pages are our own.
        started = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


class Visitor:
    """Opens files in fresh pages."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.pages: list[Page] = []

    def __call__(self, path: Path, *, width: int = 1200, scripts: bool = True, scheme: str = "light") -> Visit:
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=scripts, color_scheme=scheme  # type: ignore[arg-type]
        )
        page = context.new_page()
        self.pages.append(page)
        visit = Visit(page)
        page.on("console", lambda message: visit.console.append(message.text))
        page.on("pageerror", lambda error: visit.console.append(str(error)))
        address = path.as_uri()
        page.on("request", lambda request: visit.requests.append(request.url) if request.url != address else None)
        page.goto(address, wait_until="load")
        return visit


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visitor]:
    """Give a function that opens a file."""
    visitor = Visitor(browser)
    yield visitor
    for page in visitor.pages:
        page.context.close()
