"""Find a browser for tests: one that is installed, else Playwright's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Error, Page, sync_playwright

_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = (
    "these tests need a browser: `apt install chromium`, or `.venv/bin/playwright install chromium`"
)


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    found = next((path for name in _INSTALLED if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            # Root has no sandbox of its own; all pages are ours.
            running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            pytest.fail(f"{HOW} ({error.message.splitlines()[0]})", pytrace=False)
        yield running
        running.close()


class Watched:
    """A page, and everything that it complains of or asks other hosts for."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        options = {"viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"} | context
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        page = self.page
        page.on("console", lambda it: it.type in ("error", "warning") and self._note(it.text))
        page.on("pageerror", lambda error: self._note(f"error: {error}"))
        page.on(
            "dialog", lambda dialog: (self._note(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on("request", lambda it: self._look(it.url))
        page.set_default_timeout(15_000)

    def open(self, path: str) -> Page:
        """Go to a page of the server, and wait until it is connected."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector('#live[data-state="live"]')
        return self.page

    def _dismiss(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def _look(self, url: str) -> None:
        if not url.startswith((self.url, self.url.replace("http", "ws"), "data:")):
            self._note(f"asked {url}")

    def close(self) -> None:
        self.context.close()
