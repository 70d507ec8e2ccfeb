"""What every test needs: one event loop library, the one that the program runs on."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, because aiosqlite awaits asyncio's futures."""
    return "asyncio"
