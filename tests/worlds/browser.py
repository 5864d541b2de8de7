"""A real browser on Prefect's pages (v2), used as a person uses it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

OPTIONS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1400,1900",
)
PATIENCE_S = 60

T = TypeVar("T")


class Browser:
    """One page at a time."""

    def __init__(self, driver: webdriver.Chrome, origin: str) -> None:
        self.driver, self.origin = driver, origin

    def visit(self, path: str) -> None:
        self.driver.get(self.origin + path)

    def find(self, xpath: str) -> WebElement:
        """The first element that can be seen, as soon as there is one."""
        return self._wait(
            lambda: next((e for e in self.driver.find_elements(By.XPATH, xpath) if e.is_displayed()), None), xpath
        )

    def _wait(self, look: Callable[[], T | None], what: str) -> T:
        try:
            return WebDriverWait(self.driver, PATIENCE_S, ignored_exceptions=[WebDriverException]).until(
                lambda _: look()
            )
        except TimeoutException as error:
            raise AssertionError(f"not on the page: {what}\n{self.text()[:3000]}") from error

    def click(self, xpath: str) -> None:
        """Click on the first element that can be seen; again where the page was drawn anew under the click."""

        def clicked() -> bool:
            self._centred(self.find(xpath)).click()
            return True

        self._wait(clicked, xpath)

    def fill(self, label: str, text: str) -> None:
        """Type into the field with this label, until it holds the text."""

        def filled() -> bool:
            field = self._centred(self.find(f"//*[@id=//label[text()='{label}' or text()='{label} (Optional)']/@for]"))
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text)
            return field.get_attribute("value") == text

        self._wait(filled, label)

    def _centred(self, element: WebElement) -> WebElement:
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        return element

    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def wait_for_text(self, text: str) -> None:
        self._wait(lambda: text in self.text(), text)

    def wait_for_picture(self) -> int:
        """The width of a picture that the page carries within itself, once it is drawn."""
        script = "const i = document.querySelector('img[src^=\"data:image/png\"]'); return i ? i.naturalWidth : 0"
        return self._wait(lambda: int(self.driver.execute_script(script)), "a picture")

    def save(self, path: str) -> None:
        self.driver.save_screenshot(path)


def chromium() -> tuple[str, str]:
    """Where the browser and its driver are; a test that needs them is skipped without, but fails in CI."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if not all(found):
        if os.environ.get("CI"):
            pytest.fail("chromium and chromium-driver are missing")
        pytest.skip("chromium and chromium-driver are not installed")
    return str(found[0]), str(found[1])


@contextmanager
def browser(origin: str) -> Iterator[Browser]:
    """A browser with an empty profile, looking at a server."""
    binary, driver_path = chromium()
    profile = tempfile.mkdtemp(prefix="gw-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in (*OPTIONS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        yield Browser(driver, origin)
    finally:
        driver.quit()
        driver.service.stop()
        shutil.rmtree(profile, ignore_errors=True)
