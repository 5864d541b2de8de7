"""Secret variables of jobs: blocks by name until a program is launched."""

from prefect.blocks.system import Secret
from pydantic import SecretStr

from blocks.errors import BadInput
from blocks.job import JobSpec

MOST_BYTES = 65_536
"""All secrets of a job together: they reach the ranks in one variable, which Linux limits to 128 KiB."""


def load(spec: JobSpec) -> dict[str, SecretStr]:
    """Return the values of a job's secret variables, read anew each time.

    Raises:
        BadInput: A block is not there, or its value is no text, or all together are too long; with the field.
    """
    values = {variable: _value(variable, block) for variable, block in spec.secrets.items()}
    if sum(len(value.get_secret_value().encode()) for value in values.values()) > MOST_BYTES:
        raise BadInput(f"all together have more than {MOST_BYTES} bytes", where="secrets", advice="Give shorter ones.")
    return values


def _value(variable: str, block: str) -> SecretStr:
    try:
        found = Secret.load(block, _sync=True)  # type: ignore[call-arg] # a door of Prefect's own
    except ValueError as error:
        raise BadInput(
            f"there is no Secret block {block}", where=f"secrets {variable}", advice="Make it: Blocks, Secret."
        ) from error
    value = found.get()  # type: ignore[union-attr]
    if not isinstance(value, str) or "\0" in value:
        raise BadInput(f"the value of the Secret block {block} is no text", where=f"secrets {variable}")
    return SecretStr(value)
