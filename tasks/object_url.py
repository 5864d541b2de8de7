"""What an address says about an object store: which bucket, and which folder or archive in it. Pure."""

import re

from pydantic import BaseModel, ConfigDict

from blocks.errors import BadInput
from tasks.safe_names import UnsafeName, parts_of

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
"""How the names of archives end that are unpacked."""

_SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SHAPES = (
    "Write s3://bucket/folder/ with the slash at its end, or an archive as s3://bucket/folder/program.tar.gz "
    f"({', '.join(ARCHIVES)})."
)


class ObjectUrl(BaseModel):
    """A source in an object store, taken apart.

    ``path`` is an archive's key, or what all keys of a folder begin with: empty, or with a slash at its end.
    """

    model_config = ConfigDict(frozen=True)

    bucket: str
    path: str

    @property
    def url(self) -> str:
        """The address, as it was typed."""
        return f"{_SCHEME}{self.bucket}/{self.path}"

    @property
    def is_archive(self) -> bool:
        """Whether one archive is meant, not a folder."""
        return self.path.endswith(ARCHIVES)


def is_one(source: str) -> bool:
    """Tell whether a job's source is the address of an object store, right or wrong; all others are git's."""
    return source.startswith(_SCHEME)


def read(source: str) -> ObjectUrl:
    """Take an address as ``s3://bucket/folder/`` or ``s3://bucket/folder/program.tar.gz`` apart.

    Raises:
        BadInput: It is none.
    """
    bucket, slash, path = source.removeprefix(_SCHEME).partition("/")
    if not is_one(source) or not slash or not _BUCKET.fullmatch(bucket):
        raise _bad("names no bucket")
    if path:
        try:
            parts_of(path.removesuffix("/"))
        except UnsafeName as error:
            raise _bad(f"the name {error}") from error
    if path and not path.endswith(("/", *ARCHIVES)):
        raise _bad("is neither a folder nor an archive")
    return ObjectUrl(bucket=bucket, path=path)


def _bad(what: str) -> BadInput:
    return BadInput(what, where="source", advice=_SHAPES)
