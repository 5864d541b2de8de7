"""What of a cluster the outside reaches."""

from blocks.cluster import Cluster
from blocks.exposure import UI_ONLY, Addresses, DurationOrNone, Services
from tasks.clusters import read_again
from tasks.exposure import STANDING, let_in, set_services, show_openings
from tasks.records import one_writer
from tasks.steps import sentence


@sentence(name="expose-services", run_name="expose-services-of-{cluster.name}")
def expose_services(cluster: Cluster, services: Services = UI_ONLY) -> None:
    """Say which services of a cluster are open to the outside. These are, and no others; none closes all of them.

    Rules of its security group that others made are never touched. It works while the cluster is stopped, too. What
    allow-ssh opened for a while, and is over, is closed.

    Args:
        cluster: The cluster.
        services: What is open to everyone: ui (443), certificate (80), feature-store (8020, 30010, 9083, 9085),
            online-feature-store (3306), kafka (9092), arrow-flight (5005), search (9200). ssh (22) keeps it open to the
            addresses of allow-ssh; without ssh here, it is closed to them.
    """
    with one_writer(cluster.name):
        cluster = read_again(cluster, *STANDING)
        show_openings(cluster, set_services(cluster, services))


@sentence(name="allow-ssh", run_name="allow-ssh-to-{cluster.name}")
def allow_ssh(
    cluster: Cluster,
    addresses: Addresses,
    for_how_long: DurationOrNone = "",
    *,
    only_these: bool = False,
    confirm_everyone: bool = False,
) -> None:
    """Open ssh to addresses, for a while or for good. Other addresses that were opened before stay, each for its time.

    What is over is closed by the next run of this or of expose-services. It works while the cluster is stopped, too.

    Args:
        cluster: The cluster.
        addresses: Who may come, as 203.0.113.7/32 for one address, or 2001:db8::1/128. Your own address is what the
            internet sees of you, not what your computer calls itself.
        for_how_long: As 90m or 8h, from now; empty: for good. An address named again gets this time instead of its old.
        only_these: Close ssh to all other addresses that were opened this way; with no addresses, to everybody.
        confirm_everyone: Let 0.0.0.0/0 or ::/0, or blocks that are that together, be opened. An event records it.
    """
    with one_writer(cluster.name):
        cluster = read_again(cluster, *STANDING)
        opened = let_in(cluster, addresses, for_how_long, only_these=only_these, confirm_everyone=confirm_everyone)
        show_openings(cluster, opened)
