"""Which Groundwork this is: several may work in one account, and none touches what is another's."""

from contextlib import suppress
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate
from prefect.exceptions import ObjectAlreadyExists

_VARIABLE = "groundwork_installation"


def installation() -> str:
    """Return this installation's id, the same on every machine of the same Prefect server; drawn when first asked for.

    Everything that is made in a cloud bears it. It is no secret: whoever sees the cloud's things sees it.
    """
    with get_client(sync_client=True) as client:
        known = client.read_variable_by_name(_VARIABLE)
        if known is None:
            # Somebody else may draw it in the same moment: that one counts.
            with suppress(ObjectAlreadyExists):
                client.create_variable(VariableCreate(name=_VARIABLE, value=uuid4().hex[:12]))
            known = client.read_variable_by_name(_VARIABLE)
    if known is None:
        raise LookupError(f"Prefect's variable {_VARIABLE} was removed while it was read")
    return str(known.value)
