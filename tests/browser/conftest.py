"""A headless Chromium for the tests of pages.

Every test in this folder is marked `browser`, and skipped with the reason where Chromium, its
driver or selenium is missing (Debian: ``apt install chromium chromium-driver``). `CHROMIUM` and
`CHROMEDRIVER` in the environment name other places.

A test file asks for selenium with ``pytest.importorskip("selenium")`` or not at all: `browser` has
`find_element("css selector", ...)` and `execute_script`.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
CHROMEDRIVER = Path(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
FLAGS = (
    "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync disable-dev-shm-usage lang=en-US no-proxy-server"
).split()
SIZE = (1280, 900)
HERE = Path(__file__).parent


def missing() -> str:
    """What these tests need and this machine lacks, as a reason; or nothing."""
    lacks = [str(path) for path in (CHROMIUM, CHROMEDRIVER) if not path.exists()]
    if importlib.util.find_spec("selenium") is None:
        lacks.append("selenium")
    return f"needs a browser: {', '.join(lacks)} is missing" if lacks else ""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives a headless Chromium (tests/browser)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One Chromium for all tests, 1280 x 900, in English, that logs its console and network."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.add_argument(f"--window-size={SIZE[0]},{SIZE[1]}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=ChromeService(str(CHROMEDRIVER)))
    chrome.set_script_timeout(30)
    yield chrome
    chrome.quit()


@pytest.fixture(autouse=True)
def fresh_window(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test starts with one blank tab of the usual size and empty logs."""
    if missing():
        yield
        return
    chrome: Chrome = request.getfixturevalue("browser")
    chrome.get("about:blank")
    chrome.set_window_size(*SIZE)
    chrome.get_log("browser")
    chrome.get_log("performance")
    yield
    first, *others = chrome.window_handles
    for handle in others:
        chrome.switch_to.window(handle)
        chrome.close()
    chrome.switch_to.window(first)


@pytest.fixture
def console_errors(browser: Chrome) -> Callable[[], list[str]]:
    """`console_errors()`: what went wrong on the page since the last call, CSP refusals too."""

    def errors() -> list[str]:
        entries: list[dict[str, Any]] = browser.get_log("browser")
        return [e["message"] for e in entries if e["level"] in ("SEVERE", "WARNING")]

    return errors


@pytest.fixture
def requests(browser: Chrome) -> Callable[[], list[str]]:
    """`requests()`: the URLs that the page asked for since the last call, in order."""

    def urls() -> list[str]:
        entries: list[dict[str, Any]] = browser.get_log("performance")
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    return urls
