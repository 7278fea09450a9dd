"""Find a browser for tests, or get one: an installed one, else Playwright's own, else apt's.

`python -m tests.browser` gets one if there is none, before tests need it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Error, Locator, Page, Playwright, sync_playwright

_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_HOW = (
    "these tests need a browser, and none could be had: `apt install chromium`, or"
    " `.venv/bin/playwright install --with-deps chromium`"
)
#: Getting a browser takes no longer, all ways together.
GET_S = 300
_MOST_TABS = 200
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2")


class _Way(NamedTuple):
    """Commands that get a browser, and what they need in their environment."""

    commands: tuple[tuple[str, ...], ...]
    environment: Mapping[str, str]


_PLAYWRIGHTS = _Way(
    ((sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"),),
    # It tries several hosts several times: without a network it is to say so soon.
    {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "5000"},
)
_APTS = _Way(
    (
        (*_APT, "update"),
        (*_APT, "install", "--yes", "--no-install-recommends", "chromium"),
    ),
    {"DEBIAN_FRONTEND": "noninteractive"},
)


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
    try:
        # Root has no sandbox of its own; all pages are ours.
        return playwright.chromium.launch(executable_path=_installed(), args=["--no-sandbox"])
    except Error as error:
        print(error.message.splitlines()[0], file=sys.stderr)
        return None


def _got(playwright: Playwright) -> Browser | None:
    """Return a browser that was got now: one process at a time gets it."""
    give_up_s = time.monotonic() + GET_S
    ways = [_PLAYWRIGHTS, *([_APTS] if os.geteuid() == 0 and shutil.which("apt-get") else [])]
    lock = Path(tempfile.gettempdir()) / f"opwatch-tests-browser-{os.geteuid()}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = _launched(playwright)  # another process may have got it meanwhile
        for way in ways:
            if running is None:
                _try(way, give_up_s)
                running = _launched(playwright)
    return running


def _try(way: _Way, give_up_s: float) -> None:
    """Run the commands of a way; what goes wrong is printed, and the next way may go right."""
    for command in way.commands:
        left_s = max(1.0, give_up_s - time.monotonic())
        try:
            done = subprocess.run(
                command,
                check=False,
                timeout=left_s,
                capture_output=True,
                text=True,
                errors="replace",
                env=os.environ | way.environment,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return
        if done.returncode:
            print(" ".join(command), done.stderr[-500:], sep=": ", file=sys.stderr)


class Watched:
    """A page, and everything that it complains of or asks other hosts for."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        options: dict[str, Any] = {
            "viewport": {"width": 1400, "height": 900},
            "color_scheme": "dark",
            "reduced_motion": "reduce",
        }
        self.context = browser.new_context(**options | context)
        self.page: Page = self.context.new_page()
        page = self.page
        page.on("console", lambda it: it.type in ("error", "warning") and self._note(it.text))
        page.on("pageerror", lambda error: self._note(f"error: {error}"))
        page.on("dialog", self._dismiss)
        page.on("request", lambda it: self._look(it.url))
        page.set_default_timeout(30_000)

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


def reach(page: Page, element: Locator) -> Locator:
    """Go to an element as somebody does who has no mouse."""
    for _ in range(_MOST_TABS):
        if element.evaluate("it => it === document.activeElement"):
            return element
        page.keyboard.press("Tab")
    pytest.fail(f"no Tab leads to {element}")


def unusable(page: Page, *rules: str) -> list[str]:
    """Return what keeps people from using a page, by axe-core's rules: all, or these."""
    options = {"runOnly": list(rules)} if rules else None
    return [
        f"{it['id']}: {[node['html'][:120] for node in it['nodes'][:3]]}"
        for it in Axe().run(page, options=options).response["violations"]
        if it["impact"] in ("serious", "critical")
    ]


def _installed() -> str | None:
    return next((path for name in _INSTALLED if (path := shutil.which(name))), None)


def main() -> None:
    """Get a browser if none is installed.

    Raises:
        SystemExit: none could be had.
    """
    if (path := _installed()) is None:
        with sync_playwright() as playwright:
            found = _launched(playwright) or _got(playwright)
            if found is None:
                sys.exit(_HOW)
            path = found.version
    print(path)


if __name__ == "__main__":
    main()
