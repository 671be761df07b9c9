"""Drives a Chromium that is on the machine, as an annotator would: log in, open a tab, label."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)


def find() -> Path | None:
    """Return a Chromium binary: one on the PATH, else one that Playwright installed."""
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache/ms-playwright"))
    return next(iter(sorted(folder.glob("chromium-*/chrome-linux*/chrome"), reverse=True)), None)


@contextmanager
def browsing(program: Path, width: int = 1440, height: int = 1000) -> Iterator[Page]:
    """Open one page in a fresh, headless browser profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(program), headless=True, args=list(ARGUMENTS)
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(60_000)  # the machine may be busy
            yield page
        finally:
            browser.close()


class Annotator:
    """A person in front of Label Studio's own screens."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def log_in(self, user: str, password: str) -> None:
        """Log in with the form."""
        self.page.goto(f"{self.url}/user/login/")
        self.page.fill("input[name=email]", user)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/user/login" not in url)

    def open_tab(self, project: int, tab: int) -> None:
        """Open a Data Manager tab and wait for its table."""
        self.page.goto(f"{self.url}/projects/{project}/data?tab={tab}")
        self.page.wait_for_selector(".lsf-table__row-wrapper, .lsf-table")

    def open_task(self, project: int, tab: int, task: int) -> None:
        """Open one task of a tab and wait until its controls are there."""
        self.page.goto(f"{self.url}/projects/{project}/data?tab={tab}&task={task}")
        self.wait_for_task()

    def label_displayed(self) -> None:
        """Choose "Label Tasks As Displayed": the stream through the tab.

        The button "Label All Tasks" itself serves every task of the project in the order of ids.
        """
        self.page.get_by_role("button", name="Toggle open").first.click()
        self.page.get_by_text("Label Tasks As Displayed", exact=True).click()
        self.wait_for_task()

    def label_all(self) -> None:
        """Press "Label All Tasks", which takes no notice of the tab."""
        self.page.get_by_role("button", name="Label All Tasks").click()
        self.wait_for_task()

    def wait_for_task(self) -> None:
        """Wait until the task is drawn."""
        self.page.get_by_text("accept", exact=False).first.wait_for()
        self.page.wait_for_load_state("networkidle")

    def edit(self, old: str, new: str) -> None:
        """Replace a pre-filled text by way of its pencil."""
        box = self.page.locator("[data-testid=htx-textbox-content]", has_text=old)
        box.locator("xpath=..").get_by_role("button").first.click()
        area = self.page.locator("textarea").first
        area.fill(new)

    def press(self, key: str) -> None:
        """Press a hotkey, outside of any text field."""
        self.page.evaluate("document.activeElement && document.activeElement.blur()")
        self.page.keyboard.press(key)

    def submit(self) -> dict[str, Any]:
        """Submit with the hotkey and return the annotation as the server stored it."""
        with self.page.expect_response(
            lambda r: r.request.method == "POST" and "/annotations" in r.url
        ) as posted:
            self.page.keyboard.press("Control+Enter")
        answer: dict[str, Any] = posted.value.json()
        return answer
