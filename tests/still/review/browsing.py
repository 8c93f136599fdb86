"""Pages of a real browser, and keys that are pressed in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def opened(browser: Browser, address: str, name: str = "Ada", path: str = "/") -> tuple[Page, list[str]]:
    """A page of a browser of its own, and what it complains about."""
    page = browser.new_context().new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: problems.extend(foreign(request.url, address)))
    page.goto(address)
    page.fill("#name", name)
    page.press("#name", "Enter")
    page.wait_for_selector("#row-title")
    # Scripts run before this.
    page.wait_for_load_state("load")
    if path != "/":
        page.goto(address + path)
    return page, problems


def foreign(url: str, address: str) -> list[str]:
    """The address of a request that does not go to the page's own server."""
    return [] if url.startswith((address, "data:")) else [url]


def row_name(page: Page) -> str:
    return page.inner_text("#row-title")


def press(page: Page, key: str, then: str) -> None:
    """Press a key, and wait until the page shows another row."""
    page.keyboard.press(key)
    page.wait_for_function("name => document.getElementById('row-title')?.innerText === name", arg=then)


def name(number: int) -> str:
    return f"row-{number:03}"
