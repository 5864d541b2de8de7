"""The steps of cleaning a region: refuse while anything lives there, show what goes, remove it, prove that it went."""

from blocks.aws_account import AwsAccount, Feature, Variant
from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster
from blocks.errors import WrongState
from tasks import aws_account_records, aws_region_notes, documents
from tasks.installation import installation
from tasks.providers.aws import prices
from tasks.providers.aws.removal.deleting import Wishes
from tasks.providers.aws.removal.listing import Sight, look_twice_over
from tasks.providers.aws.removal.removing import refuse, remove
from tasks.providers.aws.removal.things import Area, Kind, Thing
from tasks.providers.aws.session import shared_session_of
from tasks.steps import step
from tasks.telling import note
from tasks.telling_cleanup import show_removal


@step("look for clusters in {region}")
def refuse_while_clusters_stand(account: AwsAccount, region: str) -> None:
    """Refuse while any cluster has a record there, in whatever state: nobody could reach it any more.

    Raises:
        WrongState: With the list.
    """
    _refuse_clusters(account, region)


@step("look for what is ours in {region}")
def look_at_region(account: AwsAccount, region: str, wishes: Wishes) -> Sight:
    """Look at all that is there, by two lists, and refuse what cannot be cleaned.

    Raises:
        WrongState: Things of clusters that no record knows, without the wish to remove them; or something of others
            holds what shall go.
    """
    area = _area(account, region)
    sight = look_twice_over(area)
    _show(account, area, sight, wishes)
    refuse(area, sight, wishes)
    return sight


@step("remove what is ours in {region}", limit_s=None)
def clean_region(account: AwsAccount, region: str, wishes: Wishes) -> None:
    """Remove all that goes, to zero by two lists, seen twice. A second run goes on where one ended.

    A cluster is recorded before its region is laid, and from the first line on whoever lays this region takes the turn,
    even if it was finished before: either we see the cluster's record, or it waits for us and finds the region empty.

    Raises:
        WrongState, AccessDenied, TimedOut: Something is left, with its reason.
    """
    if aws_region_notes.read(account.account_id, region) is not None:
        aws_region_notes.begin(account.account_id, region)
    _refuse_clusters(account, region)
    stays = remove(_area(account, region), wishes, tell=note)
    aws_region_notes.forget(account.account_id, region)
    kept = f"; left as they are: {', '.join(map(str, stays))}" if stays else ""
    note(f"nothing of ours that goes is left in {region}{kept}")


def _area(account: AwsAccount, region: str) -> Area:
    return Area(
        shared_session_of(account),
        region,
        installation(),
        account.account_id,
        makes_networks=account.variant is Variant.AUTOMATED,
        has_files=Feature.EFS in account.features,
    )


def _show(account: AwsAccount, area: Area, sight: Sight, wishes: Wishes) -> None:
    types = {thing.type for thing in sight.ours if thing.kind is Kind.NODE}
    hourly = prices.hourly_usd(area.session, area.region, types) if types else {}

    def fate(thing: Thing) -> str:
        if thing.standing != "ours":
            return "not Groundwork's: not touched"
        return "stays" if wishes.stays(thing) else "goes"

    show_removal(account, area.region, [(thing, fate(thing)) for thing in sight.things], hourly)


def _refuse_clusters(account: AwsAccount, region: str) -> None:
    accounts = {
        f"{AwsAccount.get_block_type_slug()}/{one.name}"
        for one in aws_account_records.every()
        if one.account_id == account.account_id
    }
    standing = [
        f"{cluster.name} ({cluster.state})"
        for cluster in documents.every(Cluster)
        if isinstance(cluster.spec, AwsClusterSpec)
        and (cluster.spec.account, cluster.spec.region) in {(one, region) for one in accounts}
    ]
    if standing:
        raise WrongState(
            f"clusters are there: {', '.join(standing)}",
            where=f"region {region}",
            advice="Remove them with delete-cluster first, failed ones too.",
        )
