"""The keys of clusters in AWS: in the account's parameter store, encrypted, as long as their clusters live."""

import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from blocks.aws_account import Variant
from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster
from blocks.errors import GroundworkError
from tasks.keys import public_part
from tasks.providers.aws import policies
from tasks.providers.aws.key_store import AwsKeyStore
from tasks.providers.aws.session import AwsSession, assumed
from tests.contract.least_rights import EVERY, EXTERNAL_ID, role
from tests.worlds.aws_world import CUSTOMER, AwsWorld

REGION = "eu-west-1"
ALIAS = "alias/groundwork-test"


def cluster_of(name: str = "demo") -> Cluster:
    spec = AwsClusterSpec(name=name, node_count=2, account="aws-account/team", region=REGION, tags={"team": "red"})
    return Cluster(spec=spec)


@pytest.fixture
def us(prefect_worker: AwsWorld) -> AwsSession:
    """Us in the customer's account, by the role that the product makes; the region's key is there."""
    kms = prefect_worker.client("kms", region=REGION)
    ours = [{"TagKey": "groundwork:installation", "TagValue": "test"}]
    kms.create_alias(AliasName=ALIAS, TargetKeyId=kms.create_key(Tags=ours)["KeyMetadata"]["KeyId"])
    documents = policies.permission_policies(Variant.AUTOMATED, EVERY[Variant.AUTOMATED], account_id=CUSTOMER)
    return assumed(role("groundwork-access", documents), EXTERNAL_ID)


@pytest.fixture
def store(us: AwsSession) -> AwsKeyStore:
    return AwsKeyStore(us, "test", key=ALIAS)


def parameters(aws: AwsWorld) -> list[str]:
    """The names of all parameters there."""
    return [one["Name"] for one in aws.client("ssm", region=REGION).describe_parameters()["Parameters"]]


def test_a_key_is_kept_encrypted_with_its_owners_name(aws: AwsWorld, us: AwsSession, store: AwsKeyStore) -> None:
    """SEC-03: made by us, kept in the account, encrypted by our key; whoever comes later finds the same one."""
    cluster = cluster_of()
    assert store.find(cluster) is None
    made = store.ensure(cluster)
    private = made.private_key.get_secret_value()
    assert (made.cluster_uuid, made.public_key) == (cluster.uuid, public_part(private))
    (name,) = parameters(aws)
    assert name == f"/groundwork/test/clusters/{cluster.uuid}/key"
    ssm = aws.client("ssm", region=REGION)
    (told,) = ssm.describe_parameters()["Parameters"]
    assert (told["Type"], told["KeyId"]) == ("SecureString", ALIAS)
    tags = {
        tag["Key"]: tag["Value"]
        for tag in ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    }
    assert tags == {
        "team": "red",
        "groundwork:installation": "test",
        "groundwork:cluster": cluster.uuid,
        "groundwork:part": "key",
        "Name": "groundwork-demo",
    }
    for again in (store.ensure(cluster), AwsKeyStore(us, "test", key=ALIAS).ensure(cluster)):
        assert again.private_key.get_secret_value() == private
    assert private not in repr(made)


def test_a_cluster_has_one_key_whoever_asks_for_it(aws: AwsWorld, us: AwsSession) -> None:
    """SEC-03, OPS-16: with two keys one of two runs would launch nodes that nobody can enter."""
    cluster = cluster_of()
    stores = [AwsKeyStore(us, "test", key=ALIAS) for _ in range(8)]
    with ThreadPoolExecutor(len(stores)) as pool:
        found = list(pool.map(lambda store: store.ensure(cluster).private_key.get_secret_value(), stores))
    assert len(set(found)) == 1
    kept = aws.client("ssm", region=REGION).get_parameter(Name=parameters(aws)[0], WithDecryption=True)
    assert kept["Parameter"]["Value"] == found[0]


def test_a_key_that_was_kept_though_nobody_said_so_is_the_key(
    aws: AwsWorld, us: AwsSession, store: AwsKeyStore
) -> None:
    """OPS-16: the reply is lost after AWS kept the key; what is asked again must not be another key."""
    cluster = cluster_of()
    aws.fault("lose_reply", "ssm:PutParameter")
    made = store.ensure(cluster).private_key.get_secret_value()
    later = AwsKeyStore(us, "test", key=ALIAS).find(cluster)
    assert later is not None
    assert later.private_key.get_secret_value() == made


def test_a_key_goes_for_good(aws: AwsWorld, us: AwsSession, store: AwsKeyStore) -> None:
    """SEC-03: destroyed with its cluster, also a second time, and where there never was one; others stay."""
    cluster, other = cluster_of(), cluster_of("other")
    old = store.ensure(cluster)
    kept = store.ensure(other)
    for _ in range(2):
        store.destroy(cluster)
    store.destroy(cluster_of("never"))
    assert parameters(aws) == [f"/groundwork/test/clusters/{other.uuid}/key"]
    assert store.find(cluster) is None
    assert AwsKeyStore(us, "test", key=ALIAS).find(cluster) is None
    assert AwsKeyStore(us, "test", key=ALIAS).find(other) == kept
    assert store.ensure(cluster).public_key != old.public_key


def test_where_we_make_no_keys_awss_own_encrypts(aws: AwsWorld, prefect_worker: AwsWorld) -> None:
    """SEC-03: in a restricted account there is no key of ours, and nothing may lie there in clear."""
    documents = policies.permission_policies(
        Variant.RESTRICTED,
        EVERY[Variant.RESTRICTED],
        account_id=CUSTOMER,
        vpc_id="vpc-0123456789abcdef0",
        instance_profile="nodes",
    )
    us = assumed(role("groundwork-access", documents), EXTERNAL_ID)
    cluster = cluster_of()
    AwsKeyStore(us, "test").ensure(cluster)
    (told,) = aws.client("ssm", region=REGION).describe_parameters()["Parameters"]
    assert (told["Type"], told["KeyId"]) == ("SecureString", "alias/aws/ssm")
    assert AwsKeyStore(us, "test").find(cluster) is not None
    AwsKeyStore(us, "test").destroy(cluster)
    assert parameters(aws) == []


def test_a_kms_key_that_is_not_known_everywhere_yet_is_waited_for(aws: AwsWorld, store: AwsKeyStore) -> None:
    """OPS-15: KMS is eventually consistent; the region's key was made a moment ago."""
    aws.fault("error", "ssm:PutParameter", code="InvalidKeyId", message="Alias is not found.", times=2)
    store.ensure(cluster_of())
    assert len(parameters(aws)) == 1


@pytest.mark.parametrize(
    ("operation", "work"), [("PutParameter", "ensure"), ("GetParameter", "find"), ("DeleteParameter", "destroy")]
)
def test_a_refusal_names_the_key_and_tells_nothing_of_it(
    aws: AwsWorld, store: AwsKeyStore, operation: str, work: str
) -> None:
    """SEC-02, OPS-05: one line, one of our errors, no secret in it or behind it."""
    cluster = cluster_of()
    aws.fault("error", f"ssm:{operation}", code="AccessDeniedException", message="no", status=400, times=9)
    with pytest.raises(GroundworkError, match=r"^key of cluster demo: not allowed") as refused:
        getattr(store, work)(cluster)
    said = "".join(traceback.format_exception(refused.value))
    assert "PRIVATE" not in said
