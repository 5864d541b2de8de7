"""Changing the key that block documents are encrypted with: begun and finished by one process, or by several.

::

    1  a new key is added to the file; the old one stays           a server finds two keys and goes on with 2
    2  one transaction gives every document the new key            before its end all have the old key, after it the new
    3  the database is written anew, to its disk                   what was overwritten or deleted leaves no remains
    4  the old key leaves the file, if the new one opens all       from here on it is an ordinary house again

Each step may be repeated, so whoever comes after a crash begins with 2. Run as ``python -m deployments.key_change``, in
the environment of ``deployments.settings.server_environment``.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from blocks.errors import WrongState
from deployments.key_file import add_key, encryption_keys, keep_newest_key, only_user
from deployments.settings import House, house
from deployments.telling import command

if TYPE_CHECKING:
    from prefect.server.database import PrefectDBInterface
    from sqlalchemy.ext.asyncio import AsyncSession


def change_key(place: House) -> None:
    """Give all block documents a new key. Nobody else may hold ``only_user``.

    Raises:
        WrongState: A document opens with no key that we have, and nothing was changed; or somebody uses the database.
    """
    with only_user(place):
        asyncio.run(_look(encryption_keys(place)))
        add_key(place)
        settled_key(place)


def settled_key(place: House) -> str:
    """Return the house's one key, after finishing the change that somebody began. Call it while holding ``only_user``.

    Raises:
        WrongState: As for ``change_key``; both keys stay in the file.
    """
    keys = encryption_keys(place)
    if len(keys) > 1:
        asyncio.run(_reencrypt(keys))
        keep_newest_key(place)
    return keys[-1]


async def _look(keys: Sequence[str]) -> None:
    """Make sure that the keys open every document."""
    database = _database()
    if await _has_documents(database):
        async with database.session_context() as session:
            _reencrypted(await _documents(database, session), keys)
    await (await database.engine()).dispose()


async def _reencrypt(keys: Sequence[str]) -> None:
    """Give every document the last of the keys, whichever of them it has, so that the others open nothing any more."""
    import sqlalchemy as sa

    database = _database()
    if await _has_documents(database):
        document = database.BlockDocument
        async with database.session_context(begin_transaction=True, with_for_update=True) as session:
            for identity, data in _reencrypted(await _documents(database, session), keys):
                # The time of the last change stays as it is: for people, nothing changed.
                news = {"data": data, "updated": document.updated}
                await session.execute(sa.update(document).where(document.id == identity).values(news))
        await _write_anew(database)
        async with database.session_context() as session:
            _reencrypted(await _documents(database, session), keys[-1:])
    await (await database.engine()).dispose()


def _database() -> "PrefectDBInterface":
    from prefect.server.database import provide_database_interface

    return provide_database_interface()


async def _has_documents(database: "PrefectDBInterface") -> bool:
    """Tell whether there is a table of block documents: a house that was never open has none."""
    import sqlalchemy as sa

    table = database.BlockDocument.__tablename__
    async with (await database.engine()).connect() as connection:
        return await connection.run_sync(lambda opened: sa.inspect(opened).has_table(table))


async def _documents(database: "PrefectDBInterface", session: "AsyncSession") -> list[tuple[Any, str, str, str]]:
    """Return identity, kind, name and encrypted data of every block document."""
    import sqlalchemy as sa

    document = database.BlockDocument
    wanted = sa.select(document.id, document.block_type_name, document.name, document.data).with_for_update()
    return [tuple(row) for row in await session.execute(wanted)]


def _reencrypted(documents: Sequence[tuple[Any, str, str, str]], keys: Sequence[str]) -> list[tuple[Any, str]]:
    """Return each document's identity with its data, encrypted with the last of the keys.

    Raises:
        WrongState: None of the keys opens a document, which is named.
    """
    opener = MultiFernet([Fernet(key) for key in reversed(keys)])
    done = []
    for identity, kind, name, data in documents:
        try:
            done.append((identity, opener.rotate(str(data)).decode()))
        except InvalidToken as error:
            raise WrongState(
                "no key that we have opens it",
                where=f"block document {kind}/{name}",
                advice="Put the key that it was written with back into encryption.key.",
            ) from error
    return done


async def _write_anew(database: "PrefectDBInterface") -> None:
    """Have the database write what it holds anew and onto its disk, so that nothing remains of what it held before.

    Source: SQLite's pages on VACUUM, WAL and the pragma wal_checkpoint; PostgreSQL's page on VACUUM. With Prefect's
    setting (synchronous=NORMAL) only a checkpoint makes SQLite's last transaction survive a power cut.

    Raises:
        WrongState: Another process has the SQLite file open.
    """
    import sqlalchemy as sa

    engine = await database.engine()
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if engine.dialect.name != "sqlite":
            await connection.execute(sa.text(f"VACUUM FULL {database.BlockDocument.__tablename__}"))
            return
        await connection.execute(sa.text("VACUUM"))
        is_busy = (await connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))).scalar()
        if is_busy:
            raise WrongState("another process has it open", where=str(engine.url.database), advice="End that process.")


if __name__ == "__main__":
    command("key change", lambda: change_key(house()))
