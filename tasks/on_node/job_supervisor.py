"""A job's supervisor: runs mpiexec once, keeps the time limit, leaves no rank behind, and tells how it ended.

It is a process of its own in a session of its own on the head: it lives on when the controller, the connection or the
agent goes. With Linux and Python's standard library only.
"""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.on_node.job_folder import Ending, Job, Launch, sign
from tasks.on_node.job_output import Output

MARK = "GROUNDWORK_JOB"
REAP_LIMIT_S = 8  # a node that does not answer by then is lost: ssh itself gives up after 6 or 7
TERM_LIMIT_S = 2  # what is left after mpiexec's end gets this long between TERM and KILL
SWEEPS_S = (5, 10, 20, 20, 20, 20, 20, 20)  # pauses before a lost node is tried again
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
CANCEL = signal.SIGUSR1
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)
WATCHED = (signal.SIGCHLD, CANCEL)
IGNORED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def fork_supervisor(job: Job, claim: int) -> int:
    """Start a job's supervisor, which takes over the claim, and return its process descriptor."""
    number = os.fork()
    if number:
        os.close(claim)
        return os.pidfd_open(number)
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nowhere, standard)
        os.closerange(3, claim)
        os.closerange(claim + 1, 65_536)
        supervise(job, claim)
    finally:
        os._exit(0)


def supervise(job: Job, claim: int) -> None:
    """Run a job to its end; or tell that it was lost with its earlier supervisor."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    sign(claim, os.getpid())
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    launch = job.asked()
    began = time.time()
    if job.was_started:
        lost = reap_on(job, launch, list(launch["nodes"]))
        ending = _not_run("its supervisor on the head was killed, so its end is not known")
    else:
        job.mark_started()
        ending, lost = _run(job, launch)
    job.end({**ending, "started_at": began, "ended_at": time.time()})
    if lost and os.fork() == 0:
        os.close(claim)
        wait_and_sweep(job, launch, lost)


def _run(job: Job, launch: Launch) -> tuple[Ending, list[str]]:
    """Run mpiexec to its end. Returns the ending, and the addresses of nodes that were lost."""
    output = Output(job, launch["output_limit_bytes"])
    try:
        mpiexec = _start_mpiexec(job, launch, output)
    except OSError as error:
        return _not_run(f"mpiexec could not be started: {error.strerror}"), []
    code, stopped_by = wait_for_end(mpiexec, launch["timeout_s"], launch["grace_s"])
    cut_bytes = output.close()
    ending, lost = _told(job, launch, code, stopped_by)
    return {**ending, "cut_bytes": cut_bytes}, lost


def _told(job: Job, launch: Launch, code: int, stopped_by: str) -> tuple[Ending, list[str]]:
    """Tell why mpiexec ended; unless it ended well, leave no rank behind."""
    if code == 0 and not stopped_by:
        return {"state": "finished", "reason": "all ranks ended with code 0", "exit_code": 0}, []
    lost = reap_on(job, launch, list(launch["nodes"]))
    if stopped_by == "cancelled":
        return {"state": stopped_by, "reason": "it was cancelled", "exit_code": code}, lost
    if stopped_by:
        reason = f"the time limit of {launch['timeout_s']:g} s was over"
        return {"state": stopped_by, "reason": reason, "cause": "timeout", "exit_code": code}, lost
    ending = _lost(launch, lost, code) if lost else _guilty(job, launch, code)
    if os.statvfs(job.folder).f_bavail == 0:
        ending["reason"] += "; the shared folder is full"
    return ending, lost


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def _start_mpiexec(job: Job, launch: Launch, output: Output) -> int:
    # A pipe that stays silent as long as we live: at the end of a /dev/null hydra would tell its proxies, and die of
    # SIGPIPE where they are done already (1 of 450 runs of `hostname`).
    silent, _ = os.pipe()
    return _spawn(
        launch["mpiexec"],
        {**_environment(), **launch["environment"], **_for_ranks(job, launch), MARK: job.id},
        [(os.POSIX_SPAWN_DUP2, silent, 0), *output.files()],
    )


def _for_ranks(job: Job, launch: Launch) -> dict[str, str]:
    """Return what rank_dress.py takes out of its environment again."""
    told = {"GROUNDWORK_SECRETS": job.secrets, "GROUNDWORK_COPIES": launch["copies"]}
    return {name: value for name, value in told.items() if value}


def _spawn(argv: list[str], environment: dict[str, str], files: list[tuple[Any, ...]]) -> int:
    """Start a program in a process group of its own, with the signals as they are for everybody."""
    reset = [*WATCHED, *IGNORED, signal.SIGPIPE]
    return os.posix_spawn(argv[0], argv, environment, file_actions=files, setpgroup=0, setsigmask=[], setsigdef=reset)


def wait_for_end(mpiexec: int, timeout_s: float, grace_s: float) -> tuple[int, str]:
    """Wait until mpiexec ends; at the time limit or a cancel TERM it, and after the grace KILL it.

    Returns:
        Its exit code (below 0: a signal's number), and what stopped it: "", "timed out" or "cancelled".
    """
    stopped_by = ""
    deadline = time.monotonic() + timeout_s
    while True:
        ended, status = os.waitpid(mpiexec, os.WNOHANG)
        if ended:
            with suppress(ProcessLookupError):
                os.killpg(mpiexec, signal.SIGKILL)  # its ssh clients
            return os.waitstatus_to_exitcode(status), stopped_by
        came = signal.sigtimedwait(WATCHED, max(deadline - time.monotonic(), 0))
        if came is not None and came.si_signo == signal.SIGCHLD:
            continue
        if not stopped_by:
            stopped_by = "cancelled" if came else "timed out"
            os.kill(mpiexec, signal.SIGTERM)
            deadline = time.monotonic() + grace_s
        elif came is None:
            os.killpg(mpiexec, signal.SIGKILL)
            deadline = time.monotonic() + max(grace_s, 1)


def _failed(reason: str, *, exit_code: int) -> Ending:
    return {"state": "failed", "reason": reason, "cause": "program", "exit_code": exit_code}


def _not_run(reason: str) -> Ending:
    return {"state": "failed", "reason": reason, "cause": "infrastructure", "exit_code": None}


def _lost(launch: Launch, lost: list[str], code: int) -> Ending:
    names = [launch["nodes"][address] for address in lost]
    reason = f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} lost while the job ran"
    return {**_not_run(reason), "exit_code": code, "node": names[0], "node_lost": True}


def _guilty(job: Job, launch: Launch, code: int) -> Ending:
    """Tell which rank it was: by the guards' notes (rank_guard.sh), or else by what mpiexec wrote on it."""
    with suppress(FileNotFoundError, ValueError, IndexError):
        notes = [note.split() for note in (job.folder / "failed").read_text().splitlines()]
        # MPICH crashes a rank whose peer went away, now and then before the peer's own guard has seen that; and ranks
        # that are ended with the job show it by a signal too.
        codes = [note for note in notes if int(note[1]) > 0]
        crashed_first = -int(notes[0][1]) in CRASHES
        rank, rank_code, address = codes[0] if codes and crashed_first else notes[0]
        node = launch["nodes"].get(address, address)
        reason = f"rank {rank} on {node} {_ended(int(rank_code))}"
        return {**_failed(reason, exit_code=code), "node": node, "rank": int(rank), "rank_code": int(rank_code)}
    said = re.search(rb"RUNNING AT (\S+)\n", job.tail("stdout"))
    if said:
        address = said[1].decode()
        node = launch["nodes"].get(address, address)
        return {**_failed(f"a rank on {node} was killed", exit_code=code), "node": node}
    return _failed(f"mpiexec {_ended(code)}", exit_code=code)


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by signal {-code} ({signal.Signals(-code).name.removeprefix('SIG')})"


def reap_on(job: Job, launch: Launch, addresses: list[str]) -> list[str]:
    """End what is left of a job on these nodes, side by side. Returns those that do not answer."""
    reapers = {
        _spawn([*launch["reach"], address, f"{launch['reap']} {job.id}"], _environment(), []): address
        for address in addresses
        if address != launch["head"]
    }
    if launch["head"] in addresses:
        wait_until_reaped(job.id)
    return wait_for_reapers(reapers)


def wait_for_reapers(reapers: dict[int, str]) -> list[str]:
    """Wait for the reapers on other nodes. Returns the addresses of nodes that ssh could not reach in time."""
    running, lost = dict(reapers), []
    deadline = time.monotonic() + REAP_LIMIT_S
    while running:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if not ended and signal.sigtimedwait([signal.SIGCHLD], max(deadline - time.monotonic(), 0)) is None:
            break
        address = running.pop(ended, None)
        if address is not None and os.waitstatus_to_exitcode(status) == 255:
            lost.append(address)
    for reaper in running:
        os.killpg(reaper, signal.SIGKILL)
        os.waitpid(reaper, 0)
    return sorted([*lost, *running.values()], key=list(reapers.values()).index)


def wait_until_reaped(job_id: str) -> bool:
    """TERM, then KILL all processes on this node that carry the job's mark. Tells whether none is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + TERM_LIMIT_S
        while time.monotonic() < deadline:
            left = marked(job_id)
            if not left:
                return True
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            time.sleep(0.02)
    return not marked(job_id)


def marked(job_id: str) -> list[int]:
    """Return the processes on this node that were started for a job: the mark is in their first environment."""
    mark = f"{MARK}={job_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def wait_and_sweep(job: Job, launch: Launch, lost: list[str]) -> None:
    """Try lost nodes again for a while: ranks live on behind a cut link, and end when it is back."""
    for pause_s in SWEEPS_S:
        time.sleep(pause_s)
        if not lost or not job.folder.exists():
            return
        lost = reap_on(job, launch, lost)
