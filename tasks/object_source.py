"""A program out of an object store: read where the flow runs, then sent to the nodes as a plain tree.

Credentials never reach a node. What is read is what was listed, object by object, or nothing.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from blocks.errors import SourceRefused
from tasks import archives, checkout, source_url
from tasks.allowance import LIMITS, Allowance, Limits
from tasks.checkout import Checkout
from tasks.object_url import ObjectUrl
from tasks.on_node import tree_hash
from tasks.providers.base import ObjectStore, StoredObject
from tasks.safe_names import Places, UnsafeName

_AT_ONCE = 16


class _Wanted(NamedTuple):
    """An object, and the file that its content goes into; None: it stands for a folder, and has no content."""

    stored: StoredObject
    file: Path | None


def fetch(address: ObjectUrl, store: ObjectStore, *, folder: str, into: Path, limits: Limits = LIMITS) -> Checkout:
    """Read a folder with all that is under it, or an archive, which is unpacked.

    Args:
        address: Which.
        store: The bucket that it is in.
        folder: Folder inside the tree; empty: the whole of it.
        into: A folder to fill with the tree; empty or not there yet. Becomes ours alone (0700).
        limits: How much it may be.

    Raises:
        BadInput: The folder's name is none. Nothing was made.
        WrongState: ``into`` holds something already, of a second call for one.
        SourceRefused: It is not there, not near the cluster, too much, changed while it was read, or holds what may
            not stand in a tree. ``into`` is empty.
        AccessDenied: The account does not let us read it.
        TimedOut: It took too long.
    """
    folder = source_url.check_folder(folder)
    allowance = Allowance(address.url, limits)
    with checkout.filled(into):
        store.require_near()
        read = _archive if address.is_archive else _folder
        commit = read(address, store, into, allowance)
        checkout.refuse_links_outside(into, address.url)
        folder, _ = checkout.folder_in(into, folder, where=address.url)
        return Checkout(
            repository=address.url,
            reference=commit,
            commit=commit,
            folder=folder,
            tree_hash=tree_hash.tree_hash(str(into)),
        )


def _folder(address: ObjectUrl, store: ObjectStore, into: Path, allowance: Allowance) -> str:
    places, wanted = Places(), []
    for one in store.listed(address.path):
        allowance.thing(one.size)
        wanted.append(_Wanted(one, _placed(one, address, into, places)))
    if not any(one.file for one in wanted):
        raise SourceRefused("there is nothing under it", where=address.url, advice="Check the bucket and the folder.")
    return _read(store, wanted, allowance)


def _placed(one: StoredObject, address: ObjectUrl, into: Path, places: Places) -> Path | None:
    """Return the file for an object; None where it stands for a folder, which is made."""
    name = one.key.removeprefix(address.path)
    try:
        return _file(one, name, into, places)
    except UnsafeName as error:
        raise SourceRefused(
            f"an object's name cannot be a file's: {error}",
            where=address.url,
            advice="Rename it, or name a folder that has none such.",
        ) from error


def _file(one: StoredObject, name: str, into: Path, places: Places) -> Path | None:
    if name and not name.endswith("/"):
        return into / places.file(name)
    # So consoles write down a folder.
    if one.size:
        raise UnsafeName(f"{one.key!r} is named like a folder and holds {one.size} bytes")
    if name:
        (into / places.folder(name.removesuffix("/"))).mkdir(parents=True, exist_ok=True)
    return None


def _archive(address: ObjectUrl, store: ObjectStore, into: Path, allowance: Allowance) -> str:
    # The archive's own key comes before all keys that begin with it.
    found = next(iter(store.listed(address.path)), None)
    if found is None or found.key != address.path:
        raise SourceRefused("there is no such object", where=address.url, advice="Check the bucket and the name.")
    allowance.thing(found.size)
    with tempfile.TemporaryDirectory(prefix="groundwork-") as apart:
        packed = Path(apart, "packed")
        commit = _read(store, [_Wanted(found, packed)], allowance)
        archives.unpack(packed, address.path, into, allowance)
    return commit


def _read(store: ObjectStore, wanted: Sequence[_Wanted], allowance: Allowance) -> str:
    """Read objects into their files, some side by side, and return the hash of what was read."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = {pool.submit(_read_one, store, one, allowance): one.stored for one in wanted}
        try:
            return _manifest_hash((futures[future], future.result()) for future in as_completed(futures))
        except BaseException:
            allowance.stop()
            for future in futures:
                future.cancel()
            raise


def _read_one(store: ObjectStore, one: _Wanted, allowance: Allowance) -> str:
    if one.file is None:
        return ""
    one.file.parent.mkdir(parents=True, exist_ok=True)
    with one.file.open("xb") as file:

        def take(piece: bytes) -> None:
            allowance.require_time()
            file.write(piece)

        return store.read(one.stored, take)


def _manifest_hash(read: Iterable[tuple[StoredObject, str]]) -> str:
    """Return a hash over what was read: a sorted line for each object with its key, size, ETag and version, if any."""
    lines = [
        "\t".join(filter(None, (one.key, str(one.size), one.mark.strip('"'), version))) + "\n" for one, version in read
    ]
    return f"sha256:{hashlib.sha256(''.join(sorted(lines)).encode()).hexdigest()}"
