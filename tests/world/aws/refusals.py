"""How tests of the world say that it refuses."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def refused(code: str, call: Callable[..., Any], **told: Any) -> str:
    """Make a call that must be refused with this code; return AWS's words."""
    with pytest.raises(ClientError) as error:
        call(**told)
    assert error.value.response["Error"]["Code"] == code, str(error.value)
    return str(error.value.response["Error"]["Message"])
