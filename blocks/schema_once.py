"""A block whose schema is made once in a process."""

from copy import deepcopy
from typing import Any

from pydantic import BaseModel

_SCHEMAS: dict[tuple[object, ...], dict[str, Any]] = {}


class SchemaOnce(BaseModel):
    """Stands before ``Block`` among a block's bases.

    Prefect (3.8.8) asks for the schema at each field that it saves: 0.15 s of work for each time that a cluster's
    record is written, where what was made takes 0.01 s (measured).
    """

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the schema as pydantic makes it."""
        asked = (cls, args, tuple(sorted(kwargs.items())))
        if asked not in _SCHEMAS:
            _SCHEMAS[asked] = super().model_json_schema(*args, **kwargs)
        return deepcopy(_SCHEMAS[asked])
