"""The store's private key for what was sealed beside it; only an encrypted store has one."""

import json
from collections.abc import Callable

from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.session import Session

_KNOWN = "SELECT value FROM settings WHERE name = 'seal'"


async def private_seal(database: Database, make: Callable[[], bytes]) -> bytes:
    """The private key, made if there is none yet."""

    def known(session: Session) -> bytes | None:
        told = session.value(_KNOWN)
        return None if told is None else bytes.fromhex(json.loads(told))

    def keep(session: Session) -> bytes:
        if (there := known(session)) is not None:
            return there
        private = make()
        session.run("INSERT INTO settings VALUES ('seal', ?)", (json.dumps(private.hex()),))
        return private

    return await database.read(known) or await database.write(keep)


async def last_private_seal(database: Database) -> bytes | None:
    """The private key of a store that was encrypted until now, if it was."""
    told = await database.read(lambda session: session.value(_KNOWN))
    return None if told is None else bytes.fromhex(json.loads(told))


async def forget_seal(database: Database) -> None:
    """Remove the private key: nothing is sealed any more."""
    await database.write(lambda session: session.run("DELETE FROM settings WHERE name = 'seal'"))
