"""A browser for pictures that move."""

from contextlib import contextmanager

import pytest


@pytest.fixture
def browsing(chromium, tmp_path):
    """A context that shows HTML in Chromium and gives its tab; a script's error fails the test."""

    @contextmanager
    def shown(html: str, **options):
        from playwright.sync_api import sync_playwright

        path, problems = tmp_path / "page.html", []
        path.write_text(f"<!doctype html><meta charset='utf-8'>{html}", encoding="utf-8")
        with sync_playwright() as browsers:
            browser = browsers.chromium.launch(
                executable_path=chromium,
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            tab = browser.new_page(viewport={"width": 820, "height": 600}, **options)
            tab.on("pageerror", lambda error: problems.append(str(error)))
            tab.goto(path.as_uri())
            yield tab
            browser.close()
        assert not problems

    return shown
