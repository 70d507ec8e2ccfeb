"""What every test needs: one event loop library, the one that the program runs on."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests import encrypted

# How fast a test is says how busy the machine is; benchmarks measure speed.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of our own."""
    parser.addoption(
        "--encrypted", action="store_true", help="encrypt every store (needs the extra encryption)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is imported."""
    if config.getoption("--encrypted"):
        encrypted.encrypt_all()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about stores that are not encrypted."""
    if config.getoption("--encrypted"):
        for item in items:
            if mark := item.get_closest_marker("plain"):
                item.add_marker(pytest.mark.skip(reason=f"of plain stores: {mark.args[0]}"))


@pytest.fixture(scope="session", autouse=True)
def of_no_place() -> Iterator[None]:
    """Wherever the machine stands, tests and the processes that they start are told UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, because aiosqlite awaits asyncio's futures."""
    return "asyncio"
