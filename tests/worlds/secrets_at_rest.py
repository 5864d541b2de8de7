"""What a thief finds who has the files: of a secret, in clear or lightly dressed, and of encrypted block documents.

Nothing here goes through the product or through Prefect.
"""

import asyncio
import base64
import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import asyncpg
from cryptography.fernet import Fernet, InvalidToken


def forms(secret: bytes) -> set[bytes]:
    """A secret as it is, in hexadecimal, and in base64: three ways, by where it begins within three bytes."""
    found = {secret, secret.hex().encode()}
    for before in range(3):
        # The first and last characters also depend on what stands beside the secret.
        text = base64.b64encode(b"\0" * before + secret)[4 if before else 0 :].rstrip(b"=")[:-1]
        found |= {text, text.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def files_with(folder: Path, *secrets: bytes, but: Collection[Path] = ()) -> set[str]:
    """The files below a folder that hold one of the secrets in any of its forms."""
    wanted = [form for secret in secrets for form in forms(secret)]
    found = set()
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink() and file not in but:
            data = file.read_bytes()
            if any(form in data for form in wanted):
                found.add(str(file.relative_to(folder)))
    return found


def documents(database: Path | str) -> dict[str, str]:
    """Name and encrypted text of every block document: in an SQLite file, or at PostgreSQL's address."""
    asked = "select name, data from block_document"
    if isinstance(database, str):
        rows = asyncio.run(_ask(database.replace("+asyncpg", ""), asked))
    else:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
            rows = opened.execute(asked).fetchall()
    return {str(name): str(json.loads(data)) for name, data in rows}


async def _ask(url: str, asked: str) -> list[tuple[str, str]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(asked)]
    finally:
        await connection.close()


def opened(key: str, encrypted: dict[str, str]) -> dict[str, str]:
    """Of the documents, those that a key opens: name and clear text."""
    found = {}
    for name, text in encrypted.items():
        try:
            found[name] = Fernet(key).decrypt(text).decode()
        except InvalidToken:
            continue
    return found


def slices(text: str) -> list[bytes]:
    """Pieces of an encrypted text, short enough for some to survive where the rest was overwritten."""
    # What stands before is the same in all that were written in the same minute.
    return [text[start : start + 24].encode() for start in range(24, len(text) - 24, 24)]
