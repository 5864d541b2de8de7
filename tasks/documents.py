"""Documents of our blocks on Prefect's server: found, listed, written over, removed.

``Block.load`` and ``Block.save`` register type and schema each time, which makes about six calls of one.
"""

from contextlib import suppress
from typing import Any, TypeVar

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from blocks.errors import BadInput, NotFound

B = TypeVar("B", bound=Block)


def load(kind: type[B], name: str) -> B | None:
    """Return a document as it is now, or None."""
    with get_client(sync_client=True) as client:
        try:
            document = client.read_block_document_by_name(name, kind.get_block_type_slug())
        except ObjectNotFound:
            return None
    return kind._from_block_document(document)  # noqa: SLF001


def every(kind: type[B]) -> list[B]:
    """Return all documents of a kind, by name."""
    # The server gives all of them at once, whatever limit it is asked for (3.8.8).
    with get_client(sync_client=True) as client:
        try:
            found = client.read_block_documents_by_type(kind.get_block_type_slug())
        except PrefectHTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            return []  # nobody ever saved one: the type itself is not known
    named = sorted((document for document in found if document.name), key=lambda document: str(document.name))
    return [kind._from_block_document(document) for document in named]  # noqa: SLF001


def overwrite(block: Block) -> None:
    """Write all fields of a block over its document. A block inside it stays where it is, and is referred to.

    It is for blocks without secret fields of their own: those would be written masked.

    Raises:
        NotFound: The block was never saved, or was removed meanwhile.
        BadInput: A block inside it was not.
    """
    document = block._block_document_id  # noqa: SLF001
    fields = type(block).model_fields
    if document is None:
        raise NotFound("its record was never written", where=type(block).get_block_type_slug())
    inside = require_saved_inside(block)
    data: dict[str, Any] = block.model_dump(mode="json", include=set(fields) - set(inside))
    data |= {name: {"$ref": {"block_document_id": id_}} for name, id_ in inside.items()}
    with get_client(sync_client=True) as client:
        try:
            client.update_block_document(document, BlockDocumentUpdate(data=data, merge_existing_data=False))
        except ObjectNotFound as error:
            raise NotFound("its record was removed", where=type(block).get_block_type_slug()) from error


def require_saved_inside(block: Block) -> dict[str, str]:
    """Return the documents' ids of the blocks inside a block, by field.

    Raises:
        BadInput: One was never saved: it would be written into this one, secrets and all.
    """
    found = {}
    for name in type(block).model_fields:
        inside = getattr(block, name)
        if isinstance(inside, Block):
            if inside._block_document_id is None:  # noqa: SLF001
                raise BadInput("this block was never saved", where=name, advice="Save it under a name first.")
            found[name] = str(inside._block_document_id)  # noqa: SLF001
    return found


def remove(kind: type[Block], name: str) -> None:
    """Remove a document. Removing what is gone does nothing."""
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        document = client.read_block_document_by_name(name, kind.get_block_type_slug(), include_secrets=False)
        client.delete_block_document(document.id)
