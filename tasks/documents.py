"""Documents of our blocks on Prefect's server: found, listed, written over, removed.

``Block.load`` and ``Block.save`` register type and schema each time, which makes about six calls of one.
"""

from contextlib import suppress
from typing import Any, TypeVar

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound

from blocks.errors import BadInput, NotFound

B = TypeVar("B", bound=Block)

_PAGE = 200


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
    found: list[BlockDocument] = []
    is_last = False
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        while not is_last:
            page = client.read_block_documents_by_type(kind.get_block_type_slug(), offset=len(found), limit=_PAGE)
            found += page
            is_last = len(page) < _PAGE
    named = sorted((document for document in found if document.name), key=lambda document: str(document.name))
    return [kind._from_block_document(document) for document in named]  # noqa: SLF001


def overwrite(block: Block) -> None:
    """Write all fields of a block over its document. A block inside it stays where it is, and is referred to.

    It is for blocks without secret fields of their own: those would be written masked.

    Raises:
        NotFound: The block was never saved, or was removed meanwhile.
        BadInput: A block inside it was not: it would be written into this one, secrets and all.
    """
    document = block._block_document_id  # noqa: SLF001
    fields = type(block).model_fields
    if document is None:
        raise NotFound("its record was never written", where=type(block).get_block_type_slug())
    inside = {name: value for name in fields if isinstance(value := getattr(block, name), Block)}
    data: dict[str, Any] = block.model_dump(mode="json", include=set(fields) - set(inside))
    data |= {name: _reference(name, value) for name, value in inside.items()}
    data = {name: data[name] for name in fields}
    with get_client(sync_client=True) as client:
        try:
            client.update_block_document(document, BlockDocumentUpdate(data=data, merge_existing_data=False))
        except ObjectNotFound as error:
            raise NotFound("its record was removed", where=type(block).get_block_type_slug()) from error


def _reference(field: str, block: Block) -> dict[str, dict[str, str]]:
    document = block._block_document_id  # noqa: SLF001
    if document is None:
        raise BadInput("this block was never saved", where=field, advice="Save it under a name first.")
    return {"$ref": {"block_document_id": str(document)}}


def remove(kind: type[Block], name: str) -> None:
    """Remove a document. Removing what is gone does nothing."""
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        document = client.read_block_document_by_name(name, kind.get_block_type_slug(), include_secrets=False)
        client.delete_block_document(document.id)
