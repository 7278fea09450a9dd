"""Take pictures of the dashboard over a day of operations: `make screenshots`."""

import os
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser

from tests.browser import Watched, browser
from tests.dashboard_day import fill
from tests.dashboard_samples import opened
from tests.dashboard_scene import TOKEN, Dashboard, Scene, dashboard

_WALL = {"width": 1440, "height": 900}
_EVERY_HUE = Image.Quantize.MAXCOVERAGE
_PHONE = {"width": 390, "height": 844}
_FORMS: dict[str, dict[str, Any]] = {
    "dark": {"viewport": _WALL},
    "light": {"viewport": _WALL, "color_scheme": "light"},
    "phone": {"viewport": _PHONE, "device_scale_factor": 2},
}


def main(folder: Path) -> int:
    """Take the pictures; return 1 if a page complained."""
    scene = Scene(os.environ["OPWATCH_KAFKA_BOOTSTRAP"])
    scene.make()
    now_ms = int(time.time() * 1000)
    fill(scene, now_ms, dense=True)
    folder.mkdir(parents=True, exist_ok=True)
    options = {"OPWATCH_DASHBOARD_CLAIM": "96-99", "OPWATCH_DASHBOARD_TOKEN": TOKEN}
    with (
        tempfile.TemporaryDirectory() as logs,
        dashboard(scene.settings, Path(logs), **options) as running,
        browser() as chromium,
    ):
        running.loaded()
        complaints = _take(scene, running, chromium, folder, now_ms)
    scene.remove()
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return bool(complaints)


def _take(
    scene: Scene, running: Dashboard, chromium: Browser, folder: Path, now_ms: int
) -> list[str]:
    pages = {
        "overview": "/?span=6h",
        "series": "/series?platform=workday&span=6h&before=1",
        "alerts": f"/alerts/{opened(now_ms).fingerprint}",
        "quality": "/quality?span=6h",
    }
    complaints = []
    for name, form in product(pages, _FORMS):
        watched = Watched(chromium, running.url, **_FORMS[form])
        page = watched.open(pages[name])
        while page.locator(".notice").count():
            scene.progress()
            page.wait_for_timeout(500)
        if name == "series":
            page.locator(".plot").first.focus()
            for _ in range(24):
                page.keyboard.press("ArrowLeft")
            page.keyboard.press("Enter")
        file = folder / f"{name}-{form}.png"
        page.screenshot(path=file, full_page=form != "phone")
        with Image.open(file) as picture:  # a quarter of the size, and no eye sees it
            picture.convert("RGB").quantize(256, _EVERY_HUE, kmeans=2).save(file, optimize=True)
        complaints += watched.complaints
        watched.close()
    return complaints


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
