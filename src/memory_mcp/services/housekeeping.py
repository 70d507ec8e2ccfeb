"""What time itself does: mail expires, deleted agents and old payloads go for good."""

import logging

import anyio

from memory_mcp.domain.agents import KEPT_AFTER_DELETION
from memory_mcp.domain.errors import StoreError
from memory_mcp.ports import AgentStore, Clock, MailStore
from memory_mcp.services.ledger import Ledger

logger = logging.getLogger(__name__)

FIRST_SECONDS = 60
"""A session that has just begun has better things to do."""
EVERY_SECONDS = 3_600


class Housekeeping:
    """Looks now and then for what is due."""

    def __init__(self, agents: AgentStore, mail: MailStore, ledger: Ledger, clock: Clock) -> None:
        self._agents = agents
        self._mail = mail
        self._ledger = ledger
        self._clock = clock

    async def run(self) -> None:
        """Do what is due."""
        if expired := await self._mail.expire():
            logger.info("%d mails have expired", expired)
        before = self._clock.now() - KEPT_AFTER_DELETION
        if purged := await self._agents.purge_deleted(before):
            logger.info("%d deleted agents were purged", len(purged))
        if pruned := await self._ledger.prune():
            logger.info("the payloads of %d runs were thrown away", pruned)

    async def keep_up(self) -> None:
        """Do it for as long as the process serves."""
        await anyio.sleep(FIRST_SECONDS)
        while True:
            try:
                await self.run()
            except StoreError as error:  # a full or busy disk must not end the server
                logger.warning("housekeeping will be done later: %s", error)
            await anyio.sleep(EVERY_SECONDS)
