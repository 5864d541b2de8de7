"""Jobs on a cluster: started exactly once, followed from anywhere, ended for certain.

All of a job's state is in its folder on the cluster (``tasks/on_node/job_folder.py``), so that a new process attaches
to a running job instead of starting it again.
"""

import base64
import json
import shlex
import time
from collections.abc import Callable
from typing import Annotated, Any, Protocol, Self

import paramiko
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from blocks.cluster import Cluster
from blocks.errors import (
    CommandFailed,
    JobCancelled,
    JobLost,
    NodeLost,
    NodeUnreachable,
    NotFound,
    ProgramFailed,
    TimedOut,
)
from blocks.job import Cause, Ending, JobState
from tasks.bootstrap import Furniture, mpiexec
from tasks.layout import Layout, laid_out
from tasks.mpi import PYTHON
from tasks.ssh import Session

STREAMS = ("stdout", "stderr")
OURS = "GROUNDWORK_"
_ANSWER_LIMIT_S = 60
_BATCH_EVERY_S = 1.0
_CHUNK_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18


class Launch(BaseModel):
    """What to start: ``argv`` as ``tasks.mpi.program`` made it, in ``workdir`` (a path on the nodes).

    ``python`` is the program's own Python on the nodes; empty: the one that all nodes have. What lies beside it is
    found first by every program.
    ``layout`` says where the ranks go; without one they fill the hostfile's slots. ``secrets`` are variables whose
    values are hidden in the output and lie in no file. ``output_limit_bytes`` is each stream's; 0: none.
    """

    model_config = ConfigDict(frozen=True)

    job_id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}(/attempt-[1-9][0-9]{0,3})?$")]
    argv: list[str] = Field(min_length=1)
    workdir: str
    python: str = ""
    ranks: int = Field(ge=1)
    layout: Layout | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    output_per_rank: bool = False
    output_limit_bytes: int = Field(default=0, ge=0)
    timeout_s: float = Field(gt=0)
    grace_s: float = Field(default=10, ge=0)


class Status(BaseModel):
    """How a job is on its cluster: ``unknown`` (never started), ``running`` or ``ended``."""

    model_config = ConfigDict(frozen=True)

    state: str
    ending: Ending | None = None

    @property
    def is_launched(self) -> bool:
        """Whether mpiexec was started for it, ever."""
        return self.state != "unknown"


class Log(Protocol):
    """Where output goes."""

    def offset(self, stream: str) -> int:
        """How many bytes of a stream it has already."""
        ...

    def take(self, stream: str, data: bytes) -> None:
        """Take the next bytes of ``stdout`` or ``stderr``."""
        ...

    def flush(self) -> None:
        """Let others see what was taken; called at each look at the job."""
        ...


class Runner:
    """One open channel to the job agent on a cluster's head. For one thread at a time; several runners are fine."""

    def __init__(self, head: Session, cluster: Cluster) -> None:
        self._head = head
        self._cluster = cluster
        self._ground = cluster.require_ground()
        self._place = Furniture(self._ground.shared)
        self._channel: paramiko.Channel | None = None
        self._asked = 0
        self._received = bytearray()
        self._ended: dict[str, Ending] = {}
        self._tails: dict[str, dict[str, tuple[int, bytes]]] = {}

    def open(self) -> None:
        """Start the agent, before it is needed: no launch waits for a start of Python. Opening twice does nothing.

        Raises:
            NodeUnreachable: The head does not answer.
        """
        if self._channel is None:
            self._received.clear()
            self._channel = self._head.channel([*self._agent, "serve", self._place.jobs])

    def close(self) -> None:
        """Close the channel. Jobs run on."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def __enter__(self) -> Self:
        """Open it."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def submit(self, launch: Launch) -> Status:
        """Start a job, detached from us: it runs on whatever happens here. One that was started is not started again.

        Raises:
            CommandFailed: The head could not keep what was asked for, such as on a full disk; nothing was started.
            NodeUnreachable: The connection was lost. Whether it was started, a second call finds out.
        """
        return self._status(launch.job_id, "submit", launch=self._asked_for(launch))

    def status(self, job_id: str) -> Status:
        """Return how a job is."""
        return self._status(job_id, "status")

    def output(self, job_id: str, stream: str, offset: int = 0) -> bytes:
        """Return all that the ranks wrote to ``stdout`` or ``stderr`` so far, from ``offset`` on."""
        data = bytearray()
        while piece := self._read(job_id, {stream: offset + len(data)}, _CHUNK_BYTES)[stream]:
            data += piece
        return bytes(data)

    def follow(self, job_id: str, log: Log) -> Ending:
        """Hand a job's output to ``log`` until it ends, and return how it ended.

        While it runs once a second, in whole lines where it is not much; at the end all the rest. It goes on at the
        offsets that ``log`` has, so a second call on the same log after a lost connection repeats nothing.

        Raises:
            NotFound: The job was never started.
            NodeUnreachable: The connection was lost; the job runs on.
        """
        status = self._status(job_id, "follow")
        if not status.is_launched:
            raise NotFound("was never started here", where=f"job {job_id}")
        ending = status.ending
        offsets = {stream: log.offset(stream) for stream in STREAMS}
        while ending is None:
            ending = self._wait_for_end(job_id, _BATCH_EVERY_S)
            if ending is None and self._hand_over(job_id, offsets, log) == _CHUNK_BYTES:
                self._pour(job_id, offsets, log)
            log.flush()
        while self._hand_over(job_id, offsets, log, all_of_it=True) == _CHUNK_BYTES:
            self._pour(job_id, offsets, log)
        return ending

    def cancel(self, job_id: str) -> Ending | None:
        """End a job and wait until none of its ranks is left. None: it was never started.

        A job that ended already stays as it ended.

        Raises:
            NodeUnreachable: The connection was lost.
        """
        if self._status(job_id, "cancel").is_launched:
            status = self._status(job_id, "follow")
            while status.ending is None:
                status = Status(state="ended", ending=self._wait_for_end(job_id, _BATCH_EVERY_S))
            return status.ending
        return None

    def _hand_over(self, job_id: str, offsets: dict[str, int], log: Log, *, all_of_it: bool = False) -> int:
        """Read one piece of each stream and hand it over. Returns the size of the longest."""
        pieces = self._tail(job_id, offsets) or self._read(job_id, offsets, _CHUNK_BYTES)
        for stream, piece in pieces.items():
            data = piece if all_of_it or (len(piece) == _CHUNK_BYTES and b"\n" not in piece) else _whole_lines(piece)
            if data:
                log.take(stream, data)
                offsets[stream] += len(data)
        return max(map(len, pieces.values()))

    def _pour(self, job_id: str, offsets: dict[str, int], log: Log) -> None:
        """Hand over all that there is now, each stream as one flow: piece by piece takes twice as long (measured)."""
        for stream in STREAMS:
            path = f"{self._place.job(job_id)}/{stream}.log"
            channel = self._head.channel(["tail", "-c", f"+{offsets[stream] + 1}", path])
            try:
                # A connection that breaks here looks like the end; the next question to the agent tells.
                while data := channel.recv(_PIECE_BYTES):
                    log.take(stream, data)
                    offsets[stream] += len(data)
            finally:
                channel.close()

    @property
    def _agent(self) -> list[str]:
        return [*self._python, self._script("job_agent.py")]

    @property
    def _python(self) -> list[str]:
        return [self._ground.python, "-I", "-S"]

    def _script(self, name: str) -> str:
        return self._place.script(name)

    def _asked_for(self, launch: Launch) -> dict[str, Any]:
        python = launch.python or self._ground.python
        words = [python, self._script("rank_start.py"), self._folder(launch), *launch.argv[len(PYTHON) :]]
        if tuple(launch.argv[: len(PYTHON)]) != PYTHON:
            words = launch.argv
        # Variables of ours do not change how a launcher, a loader or an interpreter starts; all others may, and may be
        # secret. A lone colon is mpiexec's own.
        ours = {name: value for name, value in launch.environment.items() if name.startswith(OURS)}
        theirs = {name: value for name, value in launch.environment.items() if name not in ours}
        layout = launch.layout or laid_out(self._cluster.nodes, ranks=launch.ranks)
        hides = bool(launch.secrets) or launch.output_per_rank
        is_bare = not theirs and ":" not in words and not hides
        start = words if is_bare else [*self._python, self._script("rank_dress.py"), self._folder(launch)]
        return {
            "mpiexec": [*mpiexec(self._cluster, launch.ranks, layout.hosts), *self._guard(launch), *start],
            "environment": ours,
            "words": words,
            "variables": theirs,
            "secrets": _packed(launch.secrets),
            "copies": f"{self._folder(launch)}/ranks" if launch.output_per_rank else "",
            "output_limit_bytes": launch.output_limit_bytes,
            "nodes": {node.address: node.name for node in layout.nodes},
            "head": self._cluster.head.address,
            "reach": [self._place.sshx],
            "reap": shlex.join([*self._agent, "reap"]),
            "timeout_s": launch.timeout_s,
            "grace_s": launch.grace_s,
        }

    def _guard(self, launch: Launch) -> list[str]:
        programs = launch.python.rpartition("/")[0] or "-"
        guard = ["/bin/sh", self._script("rank_guard.sh"), self._ground.python]
        return [*guard, programs, self._folder(launch), launch.workdir]

    def _folder(self, launch: Launch) -> str:
        return f"{self._place.jobs}/{launch.job_id}"

    def _status(self, job_id: str, ask: str, **fields: Any) -> Status:
        answer, _ = self._ask(ask, job_id, **fields)
        return Status.model_validate(answer)

    def _read(self, job_id: str, offsets: dict[str, int], most: int) -> dict[str, bytes]:
        """Return a piece of each stream named in ``offsets``, in one exchange."""
        wanted = {stream: offsets.get(stream, -1) for stream in STREAMS}
        _, payload = self._ask("read", job_id, most=most, **wanted)
        return {stream: data for stream, data in zip(STREAMS, payload, strict=True) if stream in offsets}

    def _tail(self, job_id: str, offsets: dict[str, int]) -> dict[str, bytes] | None:
        """Return all that is missing, where it was told with the job's end."""
        tails = self._tails.get(job_id, {})
        if not tails or any(tails[stream][0] > offset for stream, offset in offsets.items()):
            return None
        return {stream: tails[stream][1][offset - tails[stream][0] :] for stream, offset in offsets.items()}

    def _ask(self, ask: str, job_id: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Ask the agent one question and return its answer; an end that is told meanwhile is kept."""
        self._asked += 1
        question = json.dumps({"n": self._asked, "ask": ask, "job": job_id, **fields}).encode() + b"\n"
        try:
            self._require_channel().sendall(question)
        except OSError as error:
            raise self._broken() from error
        deadline = time.monotonic() + _ANSWER_LIMIT_S
        while True:
            heard = self._hear(deadline)
            if heard is None:
                raise TimedOut(f"the job agent did not answer `{ask}`", where=self._head.node.name)
            message, payload = heard
            # An exception in the middle of an earlier question leaves its answer behind.
            if message.get("n") != self._asked:
                continue
            if "error" in message:
                raise CommandFailed(str(message["error"]), where=self._head.node.name)
            return message, payload

    def _wait_for_end(self, job_id: str, limit_s: float) -> Ending | None:
        deadline = time.monotonic() + limit_s
        while job_id not in self._ended:
            if self._hear(deadline) is None:
                return None
        return self._ended[job_id]

    def _hear(self, deadline: float) -> tuple[dict[str, Any], list[bytes]] | None:
        """Return the agent's next message with the bytes that belong to it; None when the time is over."""
        if not self._wait_for_bytes(lambda: b"\n" in self._received, deadline):
            return None
        end = self._received.index(b"\n") + 1
        message = json.loads(self._received[:end])
        sizes = message.get("sizes", [])
        # The rest of a message that has begun is on its way: no deadline of the caller's may tear it.
        whole = time.monotonic() + _ANSWER_LIMIT_S
        if not self._wait_for_bytes(lambda: len(self._received) >= end + sum(sizes), whole):
            raise self._broken()
        payload, at = [], end
        for size in sizes:
            payload.append(bytes(self._received[at : at + size]))
            at += size
        del self._received[:at]
        if "ended" in message:
            self._ended[message["ended"]] = Ending.model_validate(message["ending"])
            told = zip(STREAMS, message["starts"], payload, strict=True)
            self._tails[message["ended"]] = {stream: (start, tail) for stream, start, tail in told}
        return message, payload

    def _wait_for_bytes(self, is_enough: Callable[[], bool], deadline: float) -> bool:
        """Receive until it is enough. Tells whether it was before the deadline."""
        channel = self._require_channel()
        while not is_enough():
            channel.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = channel.recv(262_144)
            except TimeoutError:
                return False
            if not data:
                raise self._broken()
            self._received += data
        return True

    def _require_channel(self) -> paramiko.Channel:
        if self._channel is None:
            raise NodeUnreachable("the channel to the job agent is closed", where=self._head.node.name)
        return self._channel

    def _broken(self) -> NodeUnreachable | CommandFailed:
        """Return what to raise when the agent is gone: with the connection, or by itself."""
        channel, self._channel = self._channel, None
        said = b""
        if channel is not None:
            if channel.recv_stderr_ready():
                said = channel.recv_stderr(65_536)
            channel.close()
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        if self._head.is_open and last:
            return CommandFailed(f"the job agent ended ({last})", where=self._head.node.name)
        return NodeUnreachable("the connection to the job agent was lost", where=self._head.node.name)


def _packed(secrets: dict[str, SecretStr]) -> str:
    """Return secrets as rank_dress.py reads them."""
    fields = "".join(f"{name}={value.get_secret_value()}\0" for name, value in secrets.items())
    return base64.b64encode(fields.encode()).decode()


def raise_for(ending: Ending) -> None:
    """Return for a job that finished well.

    Raises:
        TimedOut, JobCancelled, NodeLost, JobLost, ProgramFailed: As the job ended, with its reason.
    """
    if ending.state is JobState.FINISHED:
        return
    if ending.state is JobState.TIMED_OUT:
        raise TimedOut(ending.reason, where="job", advice="Give it a longer timeout.")
    if ending.state is JobState.CANCELLED:
        raise JobCancelled(ending.reason, where="job")
    if ending.node_lost:
        raise NodeLost(ending.reason, where="job", advice="Run verify-cluster.")
    if ending.cause is Cause.INFRASTRUCTURE:
        raise JobLost(ending.reason, where="job", advice="Run it again; `retries` does so by itself.")
    raise ProgramFailed(ending.reason, where="job", advice="See its standard error.")


def _whole_lines(piece: bytes) -> bytes:
    return piece[: piece.rfind(b"\n") + 1]
