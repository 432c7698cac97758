"""A real browser on the explorer's page. Without one the tests are skipped, and on continuous integration they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.view.browser.looking import Shown

_QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once for all tests."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        # A run that counts must not pass for want of a browser.
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("Chromium is not installed (apt-get install chromium): the explorer's page is not tested")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=_QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, explorer: str) -> Iterator[Page]:
    """A window of its own, in which no script may fail and nothing may be blocked."""
    context = browser.new_context(base_url=explorer, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type in ("error", "warning") and problems.append(message.text))
    page.expected_problems = []
    yield page
    context.close()
    unexpected = [each for each in problems if not any(part in each for part in page.expected_problems)]
    assert not unexpected, unexpected


@pytest.fixture
def shown(page: Page) -> Shown:
    """The page, as a person looks at it."""
    return Shown(page)
