"""What a fresh cluster needs to run MPI jobs, put in place over SSH.

Everything goes onto the shared folder, in one write for all nodes::

    <shared>/.hostfile-<uuid>            address:slots, in the dialect of MPICH and Intel MPI
    <shared>/.hostfile-<uuid>.openmpi    address slots=n
    <shared>/.groundwork/tasks/on_node/  the scripts that run on nodes
    <shared>/.groundwork/ssh/            the cluster's key, known_hosts, ssh_config, and the open connections
    <shared>/.groundwork/sshx            how mpiexec reaches another node
    <shared>/.groundwork/warm            opens the head's connections to all nodes, and keeps them
    <shared>/.groundwork/environments/   jobs' own Python packages, made by ``tasks/environments.py``
"""

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks.cluster import Cluster, Node
from blocks.cluster_key import ClusterKey
from blocks.errors import CommandFailed
from blocks.ground import Ground
from tasks.ssh import Session

ON_NODE = Path(__file__).parent / "on_node"
SCRIPTS = (
    *("look.py", "tree_hash.py", "environment.py"),
    *("job_agent.py", "job_supervisor.py", "job_folder.py"),
    *("job_output.py", "rank_guard.sh", "rank_dress.py", "rank_start.py", "rank_output.py", "rank_failed.py"),
)


@dataclass(frozen=True)
class Furniture:
    """Where things stand on a cluster's shared folder."""

    shared: str

    @property
    def base(self) -> str:
        """The folder of our things."""
        return f"{self.shared}/.groundwork"

    @property
    def ssh(self) -> str:
        """Key, known hosts and open connections."""
        return f"{self.base}/ssh"

    @property
    def sshx(self) -> str:
        """The launcher that mpiexec calls to reach a node."""
        return f"{self.base}/sshx"

    @property
    def warm(self) -> str:
        """The script that opens the head's connections."""
        return f"{self.base}/warm"

    @property
    def jobs(self) -> str:
        """The folder of all jobs."""
        return f"{self.shared}/jobs"

    def job(self, job_id: str, *parts: str) -> str:
        """The folder of a job or of an attempt at it, or what is in it."""
        return "/".join(filter(None, [self.jobs, job_id, *parts]))

    def source(self, job_id: str, tree_hash: str) -> str:
        """The folder of a job's program: of one tree, for a branch may move before a killed run is retried."""
        return self.job(job_id, f"source-{tree_hash[:12]}")

    def environment(self, name: str) -> str:
        """The folder of one environment of Python packages."""
        return f"{self.base}/environments/{name}"

    def script(self, name: str) -> str:
        """The path of a script of ``tasks/on_node``."""
        return f"{self.base}/tasks/on_node/{name}"


def see(session: Session, python: str) -> int:
    """Return the number of cores of a node, as the node itself sees it.

    Raises:
        CommandFailed: Python does not run there.
    """
    seen = session.run([python, "-I", "-S", "-"], stdin=(ON_NODE / "look.py").read_bytes())
    return int(json.loads(seen.text)["cores"])


def furnish(head: Session, cluster: Cluster, key: ClusterKey) -> None:
    """Put keys, scripts and hostfiles in place. A second call puts them in place again, each in one step.

    Raises:
        CommandFailed: The shared folder cannot be written, or the head has no OpenSSH client.
    """
    ground = cluster.require_ground()
    place = Furniture(ground.shared)
    head.run(
        ["mkdir", "-p", "-m", "700", place.base, place.ssh, f"{place.base}/tasks/on_node", f"{place.ssh}/m", place.jobs]
    )
    head.write(f"{place.ssh}/id_ed25519", key.private_key.get_secret_value().encode())
    head.write(f"{place.ssh}/ssh_config", _ssh_config(ground, place).encode())
    head.write(place.sshx, _sshx(place).encode(), mode=0o700)
    head.write(place.warm, _warm(place, cluster).encode(), mode=0o700)
    ensure_scripts(head, place)
    announce(head, cluster)


def ensure_scripts(head: Session, place: Furniture) -> None:
    """Put our scripts in place where they are missing or of another version: we may be newer than the cluster."""
    texts = {script: (ON_NODE / script).read_bytes() for script in SCRIPTS}
    version = hashlib.sha256(b"".join(texts.values())).hexdigest().encode()
    try:
        if head.read(f"{place.base}/version") == version:
            return
    except FileNotFoundError:
        pass
    for script, text in texts.items():
        head.write(place.script(script), text)
    head.write(f"{place.base}/version", version)


def announce(head: Session, cluster: Cluster) -> None:
    """Write which nodes there are: known hosts first, then the hostfiles, each replaced in one step."""
    ground = cluster.require_ground()
    place = Furniture(ground.shared)
    head.write(f"{place.ssh}/known_hosts", _known_hosts(ground, cluster.nodes).encode())
    for suffix, text in (("", mpich_hostfile(cluster.nodes)), (".openmpi", openmpi_hostfile(cluster.nodes))):
        head.write(cluster.hostfile + suffix, text.encode(), mode=0o644)


def mpich_hostfile(nodes: Sequence[Node]) -> str:
    """Return a hostfile as MPICH and Intel MPI read it: ``address:slots`` a line."""
    return "".join(f"{node.address}:{node.slots}\n" for node in nodes)


def openmpi_hostfile(nodes: Sequence[Node]) -> str:
    """Return a hostfile as Open MPI reads it: ``address slots=n`` a line."""
    return "".join(f"{node.address} slots={node.slots}\n" for node in nodes)


def warm_up(head: Session, cluster: Cluster, *, limit_s: float = 60) -> None:
    """Open the head's connections to all nodes where they are not open: a launch then takes them as they are.

    Nodes that do not answer are passed over here: the launch names them.
    """
    place = Furniture(cluster.require_ground().shared)
    addresses = "".join(f"{node.address}\n" for node in cluster.nodes)
    head.run([place.warm], stdin=addresses.encode(), timeout_s=limit_s, check=False)


def mpiexec(cluster: Cluster, ranks: int, hosts: str = "") -> list[str]:
    """Return the start of every command line that runs something over a cluster's slots.

    Args:
        cluster: The cluster.
        ranks: How many.
        hosts: ``address:slots`` of the nodes to take, with commas between; empty: as the hostfile says.
    """
    ground = cluster.require_ground()
    launcher = ["-launcher", "ssh", "-launcher-exec", Furniture(ground.shared).sshx]
    places = ["-hosts", hosts] if hosts else ["-f", cluster.hostfile]
    # Without -localhost the nodes are told the head's host name, which not every place can resolve.
    return [ground.mpiexec, *launcher, "-localhost", cluster.head.address, *places, "-n", str(ranks)]


def require_launcher(session: Session) -> None:
    """Make sure that a node has the OpenSSH client, by which MPI reaches the other nodes.

    Raises:
        CommandFailed: It has none.
    """
    if session.run(["sh", "-c", "command -v ssh"], check=False).code != 0:
        raise CommandFailed("has no ssh client", where=session.node.name, advice="Install openssh-client there.")


def _ssh_config(ground: Ground, place: Furniture) -> str:
    settings = {
        "User": ground.user,
        "Port": ground.peer_port,
        "IdentityFile": f"{place.ssh}/id_ed25519",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": f"{place.ssh}/known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "BatchMode": "yes",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ConnectTimeout": 5,
        "ServerAliveInterval": 2,
        "ServerAliveCountMax": 3,
        "LogLevel": "ERROR",
        # Relative: sshx and warm go to their folder first, for a socket's path may have 107 bytes only.
        "ControlPath": "m/%h",
        "ControlMaster": "no",
    }
    return "Host *\n" + "".join(f"  {name} {_quoted(value)}\n" for name, value in settings.items())


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text


def _known_hosts(ground: Ground, nodes: Sequence[Node]) -> str:
    port = ground.peer_port
    return "".join(f"{node.address if port == 22 else f'[{node.address}]:{port}'} {node.host_key}\n" for node in nodes)


def _sshx(place: Furniture) -> str:
    # hydra says `sshx -x ADDRESS PROXY ...`. Its proxy gets the job's mark, by which what is left of a job is found.
    # hydra ignores the death of its ssh client: without the TERM a job on a cut link hangs for good.
    return f"""#!/bin/sh
if [ "$1" = -x ] && [ -n "$GROUNDWORK_JOB" ]; then
  address=$2
  shift 2
  set -- -x "$address" "GROUNDWORK_JOB=$GROUNDWORK_JOB" "$@"
fi
cd {shlex.quote(place.ssh)} && ssh -F ssh_config "$@"
rc=$?
[ $rc -eq 255 ] && kill -TERM $PPID
exit $rc
"""


def _warm(place: Furniture, cluster: Cluster) -> str:
    log = f"{place.base}/warm.log"
    return f"""#!/bin/sh
# Reads addresses from its standard input and opens a connection to each that has none. For cluster {cluster.uuid}.
cd {shlex.quote(place.ssh)} || exit 1
exec 2>>{shlex.quote(log)}
xargs -r -P 16 -n 1 sh -c '
  [ -S "m/$0" ] && ssh -F ssh_config -O check "$0" </dev/null >/dev/null 2>&1 && exit 0
  rm -f "m/$0"
  exec ssh -F ssh_config -o ControlMaster=yes -f -N -n "$0" </dev/null >/dev/null
'
"""
