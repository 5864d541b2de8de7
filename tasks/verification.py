"""The three checks of a cluster that is said to run: hostfile there, names over all slots, Python over all slots."""

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from blocks.cluster import Cluster, Node
from blocks.errors import CommandFailed, GroundworkError, VerificationFailed
from tasks.bootstrap import Furniture, mpich_hostfile, mpiexec
from tasks.ssh import Finished, Session, Sessions

_LIMIT_S = 120
_CLEAN = ("env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8")

# One line a rank: where the SSH connection that started it came in. hydra starts the head's own ranks without one.
_ASK_PYTHON = (
    "import os,sys;from mpi4py import MPI;c=MPI.COMM_WORLD;"
    "a=(os.environ.get('SSH_CONNECTION') or '- - - -').split()[2];"
    "sys.stdout.write('%s %d %d %s\\n'%(a,c.Get_rank(),c.Get_size(),sys.version.split()[0]))"
)


class Check(BaseModel):
    """One node in one check: what was expected and what was got."""

    model_config = ConfigDict(frozen=True)

    check: str
    node: str
    expected: str
    got: str

    @property
    def is_good(self) -> bool:
        """Whether both are the same."""
        return self.expected == self.got


def verify(cluster: Cluster, sessions: Sessions) -> list[Check]:
    """Ask a cluster's nodes the three questions and return one line for each node and question.

    Raises:
        NodeUnreachable, HostKeyChanged: A node cannot be entered.
        VerificationFailed: mpiexec itself did not end; with its last line.
    """
    everyone = sessions.to_all(cluster.nodes)
    head = sessions.to(cluster.head)
    return [*_hostfiles(cluster, everyone), *_names(cluster, head, everyone), *_pythons(cluster, head)]


def require_good(cluster: Cluster, checks: Sequence[Check]) -> None:
    """Refuse a cluster with a check that is not good.

    Raises:
        VerificationFailed: With every node that fails, what was expected and what was got.
    """
    bad = [
        f"{line.node} ({line.check}: expected {line.expected}, got {line.got})" for line in checks if not line.is_good
    ]
    if bad:
        raise VerificationFailed("; ".join(bad), where=f"cluster {cluster.name}", advice="Resize or delete it.")


def _hostfiles(cluster: Cluster, everyone: Sequence[Session]) -> list[Check]:
    wanted = mpich_hostfile(cluster.nodes)
    lines = []
    for session in everyone:
        got = session.run(["cat", cluster.hostfile], check=False)
        same = got.stdout.decode(errors="replace") == wanted
        lines.append(
            Check(check="hostfile", node=session.node.name, expected="there", got="there" if same else _fault(got))
        )
    return lines


def _fault(got: Finished) -> str:
    return "missing" if got.code else "another content"


def _names(cluster: Cluster, head: Session, everyone: Sequence[Session]) -> list[Check]:
    names = {session.node.name: session.run(["hostname"]).text for session in everyone}
    got = Counter(_over_slots(cluster, head, ["hostname"]))
    if len(set(names.values())) < len(names):  # nodes without host names of their own: only the sum can be told
        return [_count("hostname", "all nodes", cluster.slots, sum(got.values()))]
    return [_count("hostname", node.name, node.slots, got[names[node.name]]) for node in cluster.nodes]


def _pythons(cluster: Cluster, head: Session) -> list[Check]:
    lines = _over_slots(cluster, head, [cluster.require_ground().python, "-c", _ASK_PYTHON])
    got = Counter(_node_at(cluster, line.split()[0]) for line in lines)
    return [_count("python", node.name, node.slots, got[node.name]) for node in cluster.nodes]


def _node_at(cluster: Cluster, address: str) -> str:
    by_address: dict[str, Node] = {node.address: node for node in cluster.nodes}
    return by_address.get(address, cluster.head).name


def _count(check: str, node: str, expected: int, got: int) -> Check:
    return Check(check=check, node=node, expected=f"{expected} ranks", got=f"{got} ranks")


def _over_slots(cluster: Cluster, head: Session, argv: list[str]) -> list[str]:
    try:
        # mpiexec dies of SIGPIPE now and then when its input ends before its proxies are connected.
        done = head.run([*_CLEAN, *mpiexec(cluster, cluster.slots), *argv], stdin=None, timeout_s=_LIMIT_S)
    except CommandFailed as error:
        raise VerificationFailed(error.what, where=f"cluster {cluster.name}", advice=_advice(cluster, head)) from error
    return [line for line in done.text.splitlines() if line]


def _advice(cluster: Cluster, head: Session) -> str:
    """Name the nodes that the head cannot reach."""
    sshx = Furniture(cluster.require_ground().shared).sshx
    silent = []
    for node in cluster.nodes:
        try:
            head.run(["sh", "-c", f'"{sshx}" "$0" true </dev/null', node.address], timeout_s=10)
        except GroundworkError:
            silent.append(node.name)
    return f"{', '.join(silent)} cannot be reached from {cluster.head.name}." if silent else ""
