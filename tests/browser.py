"""Find a browser for tests, or get one: an installed one, else Playwright's own, else apt's."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Error, Page, Playwright, sync_playwright

_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_HOW = (
    "these tests need a browser, and none could be had: `apt install chromium`, or"
    " `.venv/bin/playwright install --with-deps chromium`"
)
_PLAYWRIGHTS = (sys.executable, "-m", "playwright", "install", "chromium")
_APTS = ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
_GET_S = 600


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    with sync_playwright() as playwright:
        running = _launched(playwright) or _got(playwright)
        if running is None:
            pytest.fail(_HOW, pytrace=False)
        yield running
        running.close()


def _launched(playwright: Playwright) -> Browser | None:
    found = next((path for name in _INSTALLED if (path := shutil.which(name))), None)
    try:
        # Root has no sandbox of its own; all pages are ours.
        return playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
    except Error as error:
        print(error.message.splitlines()[0], file=sys.stderr)
        return None


def _got(playwright: Playwright) -> Browser | None:
    """Return a browser that was got now: one process at a time gets it."""
    ways = [_PLAYWRIGHTS, *([_APTS] if os.geteuid() == 0 and shutil.which("apt-get") else [])]
    lock = Path(tempfile.gettempdir()) / "opwatch-tests-browser.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = _launched(playwright)  # another process may have got it meanwhile
        for way in ways:
            if running is None:
                subprocess.run(way, check=False, timeout=_GET_S, capture_output=True)
                running = _launched(playwright)
    return running


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
        page.on("dialog", self._dismiss)
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
