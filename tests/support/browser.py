"""A browser for tests."""

import pytest

from benchmarks.chromium import Browser, browser_fault


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser; the test is skipped, with the reason, where there is none."""
    if fault := browser_fault():
        pytest.skip(fault)
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()
