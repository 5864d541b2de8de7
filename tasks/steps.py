"""How flows and their steps are declared, so that all of them fail, retry and speak alike."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, Task, task
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State as RunState
from prefect.client.schemas.objects import TaskRun

from blocks.errors import BadInput, GroundworkError

P = ParamSpec("P")
R = TypeVar("R")

TRIES_AGAIN = 3


def step(says: str, *, limit_s: float | None = 600) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Declare a task with an effect on the world: never cached, retried only where a retry can help.

    Args:
        says: The task run's name; ``{parameter.field}`` in it names the thing at work.
        limit_s: Time limit of one try, in seconds; None where the thing itself has one.
    """

    def declare(function: Callable[P, R]) -> Task[P, R]:
        return task(
            task_run_name=says,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=TRIES_AGAIN,
            retry_delay_seconds=[1, 4, 10],
            retry_jitter_factor=0.5,
            retry_condition_fn=_can_help,
            timeout_seconds=limit_s,
        )(function)

    return declare


def _can_help(_task: Task[..., Any], _run: TaskRun, state: RunState[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, GroundworkError) and error.retryable


class Sentence(Flow[P, R]):
    """A flow that names the field when a block it was given does not exist.

    Prefect itself fails such a run with "Failed to resolve block references in parameters", before the flow
    starts, and does not say which (3.8.8).
    """

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Load the blocks that the parameters refer to, then let Prefect check all of them."""
        loaded = {name: _loaded(name, value) for name, value in parameters.items()}
        return super().validate_parameters(loaded)


def _loaded(field: str, value: Any) -> Any:
    if not (isinstance(value, dict) and "$ref" in value):
        return value
    try:
        return Block.load_from_ref(value["$ref"], _sync=True)  # type: ignore[call-arg] # a door of Prefect's own
    except (ValueError, RuntimeError) as error:
        raise BadInput(
            "there is no such block", where=field, advice="Choose one from the form's list, or `prefect block ls`."
        ) from error


def sentence(*, name: str, run_name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Declare a flow.

    Args:
        name: The flow's name, as in ``<name>/on-demand``.
        run_name: Its runs' name; ``{parameter}`` in it is filled in.
    """

    def declare(function: Callable[P, R]) -> Flow[P, R]:
        return Sentence(function, name=name, flow_run_name=run_name, persist_result=False)

    return declare
