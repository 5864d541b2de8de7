"""The job agent: answers one controller on the head of a cluster.

``job_agent.py serve JOBS_FOLDER`` reads questions as JSON lines from its standard input and writes answers as JSON
lines. It is started before it is needed, so that a launch costs a fork and no start of Python.
``job_agent.py reap JOB_ID`` ends whatever is left of a job on the node where it runs.

Questions are ``{"n": NUMBER, "ask": ..., "job": ...}``, answered with the same number: ``submit`` (with ``launch``),
``status``, ``follow``, ``cancel``, ``read`` (with ``stdout``, ``stderr``, ``most``; the answer's ``sizes`` tell how
many bytes of each stream come after its line). ``{"ended": JOB, "ending": ...}`` comes unasked, once, for every job
submitted or followed here, with the end of its output: ``starts`` and ``sizes``.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # on a node the scripts lie in a folder tasks/on_node too

from tasks.on_node.job_folder import STREAMS, Job, Launch
from tasks.on_node.job_supervisor import CANCEL, fork_supervisor, wait_until_reaped

TAIL = 65_536  # bytes of each stream that are told with the end, so that nobody has to ask for them


class Agent:
    """Answers one controller, in the order of its questions; tells the end of the jobs it follows at once."""

    def __init__(self, jobs: Path) -> None:
        self._jobs = jobs
        self._followed: dict[int, Job] = {}
        self._settled: set[str] = set()
        self._events = select.poll()

    def serve(self) -> None:
        """Answer until the controller closes the channel. Jobs run on."""
        self._events.register(0, select.POLLIN)
        rest = b""
        while True:
            for descriptor, _ in self._events.poll():
                if descriptor != 0:
                    self._tell_end(descriptor)
                    continue
                data = os.read(0, 1 << 20)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._answer(json.loads(line))

    def _answer(self, question: dict[str, Any]) -> None:
        answers: dict[str, Callable[..., dict[str, Any] | list[bytes]]] = {
            "submit": self.submit, "status": self.settle, "follow": self.follow,
            "cancel": self.cancel, "read": self.read,
        }  # fmt: skip
        number, ask, job_id = (question.pop(name) for name in ("n", "ask", "job"))
        try:
            answer = answers[ask](Job(self._jobs, job_id), **question)
        except (OSError, ValueError) as error:
            answer = {"error": f"{ask} {job_id}: {error}"}
        if isinstance(answer, list):
            self._tell({"n": number, "sizes": [len(part) for part in answer]}, b"".join(answer))
        else:
            self._tell({"n": number, **answer})

    @staticmethod
    def _tell(message: dict[str, Any], payload: bytes = b"") -> None:
        data = memoryview(json.dumps(message).encode() + b"\n" + payload)
        while data:
            data = data[os.write(1, data) :]

    def submit(self, job: Job, launch: Launch) -> dict[str, Any]:
        """Start a job that never was; tell how it is where it was."""
        claim = job.lock()
        if claim is None:
            status = self.settle(job)
            # Unknown: whoever held the claim died before a start.
            return status if status["state"] != "unknown" else self.submit(job, launch)
        try:
            if not job.was_started:
                job.ask(launch)
                self._watch(fork_supervisor(job, claim), job)
                return {"state": "running"}
        except OSError:
            os.close(claim)
            raise
        os.close(claim)
        return self.settle(job)

    def settle(self, job: Job) -> dict[str, Any]:
        """Tell how a job is. One that lost its supervisor gets a new one, which ends it."""
        # In this order: a job may start, end and let go of its claim between two of these looks.
        if job.is_claimed:
            return {"state": "running"}
        if not job.was_started:
            return {"state": "unknown"}
        claim, ending = job.lock(), job.ending()
        if ending is not None:
            if claim is not None:
                os.close(claim)
            return {"state": "ended", "ending": ending}
        if claim is not None:
            self._watch(fork_supervisor(job, claim), job)
        return {"state": "running"}

    def follow(self, job: Job) -> dict[str, Any]:
        """Tell how a job is, and once more when it ends."""
        is_followed = any(job.id == followed.id for followed in self._followed.values())
        process = None if is_followed else wait_for_supervisor(job)
        if process is not None:
            self._watch(process, job)
        return self.settle(job)

    def cancel(self, job: Job) -> dict[str, Any]:
        """Ask a job's supervisor to end it. A job that ended stays as it is."""
        process = wait_for_supervisor(job)
        if process is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, CANCEL)
            os.close(process)
        return self.settle(job)

    @staticmethod
    def read(job: Job, stdout: int, stderr: int, most: int) -> list[bytes]:
        """Return what the ranks wrote to both streams, each from its offset on."""
        return [job.read(stream, offset, most) for stream, offset in zip(STREAMS, (stdout, stderr), strict=True)]

    def _watch(self, process: int, job: Job) -> None:
        self._followed[process] = job
        self._events.register(process, select.POLLIN)

    def _tell_end(self, process: int) -> None:
        job = self._followed.pop(process)
        self._events.unregister(process)
        os.close(process)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        ending = job.ending()
        if ending is None and job.id not in self._settled:
            self._settled.add(job.id)
            self.settle(job)
            return
        untold = {"state": "failed", "reason": "its end could not be written to the shared folder"}
        starts = [max(job.size(stream) - TAIL, 0) for stream in STREAMS]
        tails = [job.read(stream, start, TAIL) for stream, start in zip(STREAMS, starts, strict=True)]
        sizes = [len(tail) for tail in tails]
        self._tell({"ended": job.id, "ending": ending or untold, "starts": starts, "sizes": sizes}, b"".join(tails))


def wait_for_supervisor(job: Job) -> int | None:
    """Return a process descriptor of a claimed job's supervisor, which may be just starting; None: nobody claims it."""
    while job.is_claimed:
        process = job.supervisor()
        if process is not None:
            return process
        time.sleep(0.01)
    return None


def main(mode: str, what: str) -> int:
    """Serve, or reap."""
    if mode == "reap":
        return 0 if wait_until_reaped(what) else 1
    Agent(Path(what)).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
