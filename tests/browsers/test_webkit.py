"""Peculiarities of WebKitGTK's driver."""

from typing import Any, cast

import pytest
from selenium.common.exceptions import JavascriptException
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import ReadTimeoutError

from conformance.browsers import webkit


class Driver:
    """Driver that returns or raises the given answers in turn, and then the last one again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.current_window_handle = "page-1"
        self.current_url = "http://127.0.0.1/"

    def execute_script(self, script: str) -> Any:
        """Return or raise the next answer."""
        assert script
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def lost() -> ReadTimeoutError:
    """Return the exception for a response that never arrives."""
    return ReadTimeoutError(cast("Any", None), "/execute/sync", "read timed out")


def tab(driver: Driver) -> Any:
    """Return a tab of that driver."""
    return webkit._WebKitTab(webkit._Windows(cast("WebDriver", driver)), "page-1")


def test_a_lost_answer_is_asked_for_again() -> None:
    """A lost response is requested again: the driver loses one if the page unloads during a script."""
    driver = Driver(lost(), JavascriptException(), False, True)
    tab(driver).wait_until("true", 5)
    assert driver.asked == 4


def test_a_condition_that_stays_false_still_ends() -> None:
    """Only the time of lost responses is not counted; a condition that stays false times out."""
    with pytest.raises(TimeoutError, match=r"not true after 0\.1 s on .*: no"):
        tab(Driver(lost(), False)).wait_until("no", 0.1)


def test_a_driver_that_never_answers_is_given_up() -> None:
    """The third lost response ends the wait."""
    driver = Driver(lost())
    with pytest.raises(TimeoutError, match="no response from the driver"):
        tab(driver).wait_until("true", 5)
    assert driver.asked == 3
