"""What every test needs: one event loop library, the one that the program runs on."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How fast a test is says how busy the machine is; benchmarks measure speed.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


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
