"""What a provider prepared for a cluster before its nodes are launched."""

from pydantic import BaseModel, ConfigDict


class Ground(BaseModel):
    """What a provider prepared for a cluster, the same for all its nodes.

    Paths are paths on the nodes. ``says`` is one line for people on how the place was chosen. ``is_here`` tells that
    the nodes belong to whoever owns the files of this machine: only then may a job's source be one of them.
    ``is_mounted_later`` tells that each node mounts the shared folder by itself, maybe after it lets us in.
    ``jump_host`` is the name of the SSH jump host's block through which we reach the nodes; empty: straight.
    """

    model_config = ConfigDict(frozen=True)

    user: str
    shared: str
    python: str
    mpiexec: str
    peer_port: int = 22
    is_here: bool = False
    is_mounted_later: bool = False
    says: str = ""
    jump_host: str = ""
