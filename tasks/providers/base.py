"""What every place for clusters must do, in few verbs.

The promises, held by ``tests/contract``:

* A provider keeps no state of its own: what a cluster owns is found again by the cluster's ``uuid``.
* Every call may be repeated, also after a crash in its middle; the second call finishes what the first began.
* What escapes is one of ``blocks.errors``, never an SDK's exception.
* A call returns as soon as its effect is certain. ``launch`` and ``start`` do not wait for SSH; see ``tasks.ssh``.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple, Protocol

from blocks.cluster import Cluster, Node
from blocks.cluster_key import ClusterKey
from blocks.cluster_spec import ClusterSpec
from blocks.ground import Ground


class Provider(Protocol):
    """A place for clusters. All calls are keyed by ``cluster.uuid``."""

    def check(self, spec: ClusterSpec) -> None:
        """Refuse what cannot be built here, before anything is made.

        Raises:
            BadInput, QuotaExceeded: With the field and the numbers.
        """
        ...

    def prepare(self, cluster: Cluster) -> Ground:
        """Make what all nodes share (network, shared folder) and return it. A second call returns the same."""
        ...

    def launch(self, cluster: Cluster, ground: Ground, indexes: Collection[int], *, public_key: str) -> None:
        """Make the nodes with these indexes (1 is the first) where they are missing; others stay as they are.

        Each node accepts ``public_key`` (OpenSSH format) for ``ground.user`` and shows a host key made for it.

        Raises:
            NoCapacity, QuotaExceeded: Nothing of this call is left.
        """
        ...

    def nodes(self, cluster: Cluster) -> list[Node]:
        """Return the nodes that exist, sorted by index; a stopped or dead one has ``is_up`` false."""
        ...

    def stop(self, cluster: Cluster) -> None:
        """Stop all nodes; shared files, addresses and host keys stay. Stopping what is stopped does nothing."""
        ...

    def start(self, cluster: Cluster) -> None:
        """Start all nodes that are stopped or dead. Starting what is up does nothing."""
        ...

    def terminate(self, cluster: Cluster, indexes: Collection[int]) -> None:
        """Remove these nodes for good; indexes that do not exist are passed over."""
        ...

    def release(self, cluster: Cluster) -> None:
        """Remove everything the cluster owns, nodes included, to zero. Releasing what is gone does nothing."""
        ...


class KeyStore(Protocol):
    """Where an account keeps the key pairs of its clusters: encrypted, each as long as its cluster lives.

    Nothing of ours but the store holds a key in clear, and no name that a key had is given to another cluster's.
    """

    def ensure(self, cluster: Cluster) -> ClusterKey:
        """Return a cluster's key pair; made, and kept before it is returned, where there is none."""
        ...

    def find(self, cluster: Cluster) -> ClusterKey | None:
        """Return a cluster's key pair, or None where it has none."""
        ...

    def destroy(self, cluster: Cluster) -> None:
        """Remove a cluster's key pair for good. Removing what is gone does nothing."""
        ...


class StoredObject(NamedTuple):
    """An object as a store lists it. ``mark`` changes with its content: what was listed is read, or nothing."""

    key: str
    size: int
    mark: str


class ObjectStore(Protocol):
    """A bucket or container of an account, read only, from which jobs on one cluster get their programs."""

    def require_near(self) -> None:
        """Refuse a bucket that is not there, or not where the cluster is.

        Raises:
            SourceRefused: With both places.
            AccessDenied: We may not ask.
        """
        ...

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """Give all objects whose keys begin so, page by page, sorted by key."""
        ...

    def read(self, one: StoredObject, take: Callable[[bytes], object]) -> str:
        """Give an object's content piece by piece, whole and unharmed, and return its version; empty: it has none.

        Raises:
            SourceRefused: It is not as it was listed any more.
            PlaceFailed, PlaceUnreachable: What came is not what is kept, or not all of it.
        """
        ...


class Faults(Protocol):
    """What a test world can do to its nodes. Only places that are worlds of their own have it."""

    def kill(self, cluster: Cluster, index: int) -> None:
        """Kill a node with all its processes at once, as a power cut does."""
        ...

    def cut(self, cluster: Cluster, index: int) -> None:
        """Cut a node's link: packets are lost in both directions, nothing is told."""
        ...

    def mend(self, cluster: Cluster, index: int) -> None:
        """Restore a cut link."""
        ...
