"""A browser that opens the pages of the app."""

import contextlib
import shutil
from collections.abc import Iterator

import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = shutil.which("chromium")
if not CHROMIUM:
    pytest.skip("chromium is not installed", allow_module_level=True)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 60_000  # milliseconds; the model is loaded on first use
expect = playwright.expect
expect.set_options(timeout=PATIENCE)


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator:
    """Yield a browser that was started with further flags."""
    with (
        playwright.sync_playwright() as started,
        started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags]) as browser,
    ):
        yield browser


@contextlib.contextmanager
def opened(browser, address: str, **device) -> Iterator:
    """Yield the first page. Fail if the browser's console has reported errors by the end."""
    with browser.new_context(**device) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        errors = []
        page.on("console", lambda line: errors.append(line.text) if is_error(line) else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        settled(page)
        yield page
        assert errors == [], errors


def is_error(line) -> bool:
    """Return whether a console line is an error. Streamlit drops images that a page replaces."""
    return line.type == "error" and "404 (Not Found)" not in line.text


def settled(page) -> None:
    """Wait until the script has finished."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def open_page(page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    settled(page)


def open_part(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    panel = page.get_by_role("tabpanel", name=name, exact=True)
    panel.get_by_test_id("stElementContainer").first.wait_for()
    settled(page)


def serious(page) -> dict[str, list[str]]:
    """Return the elements that axe considers serious or critical, keyed by rule.

    Faded elements, which a page that is being redrawn is about to replace, are left out.
    """
    replaced = {"exclude": [['[data-stale="true"]']]}
    violations = axe.Axe().run(page, context=replaced).response["violations"]
    return {
        rule["id"]: [node["html"] for node in rule["nodes"]]
        for rule in violations
        if rule["impact"] in ("serious", "critical")
    }
