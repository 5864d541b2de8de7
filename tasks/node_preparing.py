"""A fresh node made ready for MPI, asked whether it is, and cleaned before an image is made of it; over SSH."""

from pydantic import BaseModel, ConfigDict

from blocks.errors import VerificationFailed
from tasks.bootstrap import ON_NODE
from tasks.ssh import Session

PYTHON = "/opt/groundwork/bin/python"
MPIEXEC = "/opt/groundwork/bin/mpiexec"

_PREPARING_S = 1800
_MEET = "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))"
_AS_ROOT = ("sudo", "-n", "sh", "-s", "--")


class Answer(BaseModel):
    """What a node answered to one question; ``wanted`` is in every good answer."""

    model_config = ConfigDict(frozen=True)

    question: str
    wanted: str
    got: str
    is_good: bool


_QUESTIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "a Python with mpi4py",
        (PYTHON, "-I", "-c", "import mpi4py, sys; print('Python', sys.version.split()[0])"),
        "Python 3.",
    ),
    ("two ranks that meet", (MPIEXEC, "-n", "2", PYTHON, "-I", "-c", _MEET), "2\n2"),
    ("an SSH client", ("sh", "-c", "ssh -V 2>&1"), "SSH"),
    ("what mounts shared files", ("sh", "-c", "PATH=$PATH:/sbin:/usr/sbin; command -v mount.nfs4"), "mount.nfs4"),
)
"""What is asked, as the user that nodes let in; how; and what a good answer has in it."""


def prepare(session: Session, setup: str = "") -> list[str]:
    """Make a node ready for MPI and shared folders (``prepare_node.sh``); return what was found, line by line.

    A second call finds all there and changes nothing.

    Args:
        session: The session of a user that may become root without a password.
        setup: Lines of shell that root runs before.

    Raises:
        CommandFailed: With what is missing.
        TimedOut: After half an hour.
        NodeUnreachable: The connection went away.
    """
    if setup:
        session.run([*_AS_ROOT], stdin=setup.encode(), timeout_s=_PREPARING_S)
    script = (ON_NODE / "prepare_node.sh").read_bytes()
    return session.run([*_AS_ROOT, "nfs"], stdin=script, timeout_s=_PREPARING_S).text.splitlines()


def verify(session: Session) -> list[Answer]:
    """Ask a node what jobs and shared folders need of it, as the user that it lets in."""
    return [_ask(session, *question) for question in _QUESTIONS]


def require_good(session: Session, answers: list[Answer]) -> None:
    """Refuse a node that answered one question badly.

    Raises:
        VerificationFailed: With the questions, and what it answered.
    """
    bad = "; ".join(f"{answer.question}: {answer.got or 'no answer'}" for answer in answers if not answer.is_good)
    if bad:
        raise VerificationFailed(bad, where=session.node.name, advice="See the artifact of this run.")


def clean(session: Session) -> None:
    """Take away what no image may hold (``clean_node.sh``). Nobody can log in afterwards; this session stays open.

    Raises:
        CommandFailed: With what is left.
    """
    session.run([*_AS_ROOT], stdin=(ON_NODE / "clean_node.sh").read_bytes(), timeout_s=300)


def _ask(session: Session, question: str, argv: tuple[str, ...], wanted: str) -> Answer:
    ended = session.run(argv, timeout_s=120, check=False)
    is_good = ended.code == 0 and wanted in ended.text
    said = ended.text or ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return Answer(question=question, wanted=wanted, got=said, is_good=is_good)
