"""One lane of the drill: an AWS world, a house, and the process that forks flows. Lanes know nothing of each other."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect_aws import AwsCredentials

from blocks.aws_account import AwsAccount
from blocks.cluster import Cluster
from blocks.cluster_key import ClusterKey
from blocks.jump_host import JumpHost
from deployments.settings import ROOT, client_environment
from tests.drill import acts
from tests.drill.lives import INSTALLATION_ID
from tests.drill.snapshot import seen
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_world import CUSTOMER, AwsWorld, aws_world
from tests.worlds.prefect_server import PrefectServer, living_in, new_house_with_database

HASTE = 40
"""How many times quicker than ours the world's time runs."""
SETTLED_S = 900
"""All that is on its way in the world has come to its end after so many of its seconds."""
_INSTALLATION = ("groundwork_installation", INSTALLATION_ID)


@dataclass(frozen=True)
class Point:
    """A moment of an act: its nth call of an operation; ``applied``: after it was done, its reply not told."""

    operation: str
    nth: int
    applied: bool

    def __str__(self) -> str:
        return f"{self.operation} no. {self.nth}, {'reply lost' if self.applied else 'not applied'}"


@dataclass(frozen=True)
class End:
    """How an act ended: exit code (-9: killed) and the error's words."""

    code: int
    words: str


class Lane:
    """A world, a house, and how acts are done and killed in them."""

    def __init__(self, aws: AwsWorld, forks: "subprocess.Popen[str]", haste: float = HASTE) -> None:
        self.aws, self.haste = aws, haste
        self._forks = forks

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Make a new world, and let the house forget all accounts and clusters."""
        self.aws.reset()
        self.aws.speed(self.haste)
        self.aws.settings(**settings)
        _forget_all()

    def do(self, act: str, told: Mapping[str, Any]) -> End:
        """Do an act to its end."""
        self._start(act, told)
        return self._end()

    def do_and_kill(self, act: str, told: Mapping[str, Any], point: Point) -> bool:
        """Do an act and kill its process at a point; false when it ended before.

        The killed run's locks are freed, which lapse by themselves a minute later.
        """
        self.aws.fault("hang", point.operation, nth=point.nth, applied=point.applied, principal=_OURS)
        pid = self._start(act, told)
        while not (is_hung := self.aws.wait_hung(0.2)) and _is_alive(pid):
            pass
        if is_hung:
            os.kill(pid, signal.SIGKILL)
        self._end()
        self.aws.mend()
        _free_locks()
        return is_hung

    def do_through(
        self, act: str, told: Mapping[str, Any], at: str, nth: int, then: Callable[[AwsWorld], object]
    ) -> End:
        """Do an act to its end; while its nth call of an operation waits, something happens."""
        if not at:
            return self.do(act, told)
        self.aws.fault("hang", at, nth=nth)
        pid = self._start(act, told)
        while not (is_hung := self.aws.wait_hung(0.2)) and _is_alive(pid):
            pass
        then(self.aws)
        self.aws.let_go(answers=True)
        end = self._end()
        return end if is_hung else End(1, f"it never came to {at} no. {nth}")

    def calls_of(self, act: str, told: Mapping[str, Any]) -> tuple[End, list[dict[str, Any]]]:
        """Do an act undisturbed; its end, and the calls it made in the customer's account and ours."""
        before = len(self.aws.calls())
        end = self.do(act, told)
        return end, [call for call in self.aws.calls()[before:] if is_ours(call["principal"])]

    def seen(self) -> Counter[str]:
        """What stands in the account once all that is on its way has come to its end."""
        self.aws.advance(SETTLED_S)
        found = seen(self.aws, CUSTOMER)
        # A world that could not answer proves nothing: it shall differ from all others.
        return found + Counter(f"Unanswered {what}" for what in self.aws.unanswered())

    def _start(self, act: str, told: Mapping[str, Any]) -> int:
        assert self._forks.stdin is not None
        self._forks.stdin.write(json.dumps({"act": act, "told": told}) + "\n")
        self._forks.stdin.flush()
        return int(self._answer()["pid"])

    def _end(self) -> End:
        return End(**self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._forks.stdout is not None
        answer: dict[str, Any] = json.loads(self._forks.stdout.readline())
        return answer


_OURS = ""
"""Whose calls are counted: of everybody, for only acts call while a point is waited for."""


def is_ours(principal: str) -> bool:
    """Whether a caller is the product: our own identity, a role that it has assumed, or keys that it was given."""
    return not principal.endswith(":root")


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 (a process, not a path)
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _forget_all() -> None:
    """Let the house forget what acts made in it, and be the installation that all lanes are."""
    names = {acts.ACCOUNT, acts.CLUSTER, acts.JUMP, acts.KEYS, "cold", "warm"}
    with get_client(sync_client=True) as client:
        for kind in (Cluster, ClusterKey, AwsAccount, AwsCredentials, JumpHost):
            with suppress(ObjectNotFound, PrefectHTTPStatusError):  # nobody has saved one yet
                for document in client.read_block_documents_by_type(kind.get_block_type_slug(), include_secrets=False):
                    if document.name in names:
                        client.delete_block_document(document.id)
        for variable in client._client.post("/variables/filter", json={"limit": 200}).json():
            if variable["name"].startswith(("groundwork_region_", _INSTALLATION[0])):
                client.delete_variable_by_name(variable["name"])
        client.create_variable(VariableCreate(name=_INSTALLATION[0], value=_INSTALLATION[1]))
    _free_locks()


def _free_locks() -> None:
    """Remove the limits on which turns are taken; whoever wants a turn makes them anew."""
    with get_client(sync_client=True) as client:
        for limit in client.read_global_concurrency_limits(limit=200, offset=0):
            with suppress(ObjectNotFound):
                client.delete_global_concurrency_limit_by_name(limit.name)


@contextmanager
def forks(server: PrefectServer, environment: Mapping[str, str], haste: float) -> Iterator["subprocess.Popen[str]"]:
    """The process that forks acts, living in a house; it ends with the block."""
    told = client_environment(server.house) | dict(environment)
    told |= {"GROUNDWORK_DRILL_LOG": str(server.home / "acts.log"), "GROUNDWORK_DRILL_HASTE": str(haste)}
    argv = [sys.executable, "-m", "tests.drill.forks"]
    with subprocess.Popen(
        argv, cwd=ROOT, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def lane_in(server: PrefectServer, aws: AwsWorld, haste: float = HASTE) -> Iterator[Lane]:
    """A lane in a house that is open, in which this process lives."""
    with pytest.MonkeyPatch.context() as patch:
        become_prefect_worker(patch, aws)
        with forks(server, aws.environment() | {"AWS_EC2_METADATA_DISABLED": "true"}, haste) as process:
            yield Lane(aws, process, haste)


@contextmanager
def lane(haste: float = HASTE) -> Iterator[Lane]:
    """A lane with a world and a house of its own."""
    with aws_world() as aws, new_house_with_database(**aws.environment()) as server:
        # Neither Prefect worker nor deployments: flows are called here, and both take their time.
        subprocess.run(
            [sys.executable, "-c", "from deployments import up; up._ensure_server(up.house())"],
            cwd=ROOT,
            env=server.environment,
            check=True,
        )
        with living_in(server), lane_in(server, aws, haste) as opened:
            yield opened
