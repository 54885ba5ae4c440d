"""An empty database of one test, on a real server of either kind."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.ports.bindings import untold
from scenarios.harness.servers import ProxiedSql
from system.kit.adapters.sql.work import SqlWork, mysql_engine
from system.kit.adapters.world_real import RealWorld
from system.kit.settings import mysql_url


@dataclass(slots=True)
class Database:
    """An empty database of one test, with or without its tables, and its clients."""

    sql: ProxiedSql
    name: str
    engines: list[AsyncEngine]

    def dsn(self, *, proxied: bool = False) -> str:
        return self.sql.server.dsn(self.sql.address if proxied else None, self.name)

    def engine(
        self, *, proxied: bool = False, pool_size: int | None = 5, timeout_s: float = 5.0
    ) -> AsyncEngine:
        url = mysql_url(self.dsn(proxied=proxied))
        self.engines.append(mysql_engine(url, pool_size=pool_size, timeout_s=timeout_s))
        return self.engines[-1]

    def work(self, *, proxied: bool = False, pool_size: int = 5, timeout_s: float = 5.0) -> SqlWork:
        return SqlWork(
            self.engine(proxied=proxied, pool_size=pool_size, timeout_s=timeout_s),
            RealWorld(),
            timeout_s=timeout_s,
            committed=untold,
            unpooled=self.engine(proxied=proxied, pool_size=None, timeout_s=timeout_s),
        )

    async def spoil(self, toxic: str, *, stream: str = "downstream", **attributes: int) -> None:
        await self.sql.toxiproxy.spoil(self.sql.proxy, toxic, stream=stream, **attributes)

    async def heal(self) -> None:
        await self.sql.toxiproxy.heal()

    async def waiting(self) -> int:
        """How many transactions wait for a lock now."""
        found = await self.sql.server.ask(
            "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
            user="root",
        )
        return int(str(found))
