"""What a house knows of the way into a cluster in AWS: its key is in the account only, its jump host in a block."""

import json

from prefect import flow
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from blocks.aws_cluster import AwsClusterSpec, AwsGround
from blocks.cluster import Cluster, Node, State
from blocks.errors import HostKeyChanged, NotFound
from blocks.jump_host import JumpHost
from tasks import cluster_keys, clusters, entry, keys, records
from tasks.home import home
from tasks.installation import installation
from tasks.records import one_writer
from tests.worlds.aws_accounts import onboarded
from tests.worlds.aws_world import AwsWorld
from tests.worlds.prefect_server import PrefectServer
from tests.worlds.secrets_at_rest import files_with

REGION = "us-east-1"


def a_cluster(aws: AwsWorld) -> Cluster:
    """The record of a cluster in a connected account whose region has our key."""
    onboarded(aws, "keyed")
    kms = aws.client("kms", region=REGION)
    ours = [{"TagKey": "groundwork:installation", "TagValue": installation()}]
    key_id = kms.create_key(Tags=ours)["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/groundwork-{installation()}", TargetKeyId=key_id)
    return records.claim(AwsClusterSpec(name="keyed", node_count=1, account="aws-account/keyed", region=REGION))


def ground(jump_host: str) -> AwsGround:
    return AwsGround(
        user="ec2-user",
        shared="/shared",
        python="/opt/groundwork/bin/python",
        mpiexec="/opt/groundwork/bin/mpiexec",
        jump_host=jump_host,
        region=REGION,
        subnets=(("us-east-1a", "subnet-01234567"),),
        security_groups=("sg-01234567",),
        image_id="ami-01234567",
        root_device="/dev/xvda",
        instance_profile="",
        key_name="k",
        disk_key="",
        file_system_id="fs-01234567",
        folder="/clusters/1",
    )


def documents() -> str:
    """All block documents, as whoever may read secrets sees them."""
    found, offset = [], 0
    with get_client(sync_client=True) as client:
        while page := client.read_block_documents(offset=offset, limit=100, include_secrets=True):
            found += [document.data for document in page]
            offset += len(page)
    return json.dumps(found, default=str)


def test_a_key_in_aws_is_nowhere_in_the_house(
    house: PrefectServer, no_accounts: AwsWorld, prefect_worker: AwsWorld
) -> None:
    """SEC-02, SEC-03, CON-09: a run that makes, uses and destroys a cluster's key leaves none of it in database, logs,
    results or files of the Prefect worker, nor in the account; the jump host is the one that the ground names."""
    cluster, door = a_cluster(no_accounts), no_accounts.jump("jump")
    host_key = keys.key_pair()[1]
    JumpHost(
        host=door.host, port=door.port, user=door.user, host_key=host_key, private_key=SecretStr(door.private_key)
    ).save("gate", overwrite=True)
    node = Node(index=1, name="one", address="10.0.0.5", ssh_host="10.0.0.5", ssh_port=22, host_key=host_key)
    secret = cluster_keys.ensure(cluster).private_key.get_secret_value()
    ssm = no_accounts.client("ssm", region=REGION)
    assert [one["Type"] for one in ssm.describe_parameters()["Parameters"]] == ["SecureString"]

    @flow(name="enter")
    def enter(jump_host: str) -> str:
        entered = cluster.model_copy(update={"ground": ground(jump_host)})
        with one_writer("keyed"), entry.entered(entered):
            try:
                entry.sessions_to(entered).to(node)
            except (HostKeyChanged, NotFound) as error:
                return str(error)
        return "entered"

    assert enter("gate").startswith("jump host gate: shows another host key")
    assert "there is no such jump host" in enter("elsewhere")
    assert files_with(home(), secret.encode(), json.dumps(secret)[1:-1].encode()) == set()
    assert json.dumps(secret)[1:-1] not in documents()

    @flow(name="forget")
    def forget() -> None:
        with one_writer("keyed"):
            clusters.forget(records.change(cluster, State.DELETING))

    forget()
    assert ssm.describe_parameters()["Parameters"] == []
    assert records.find("keyed") is None
    cluster_keys.destroy(cluster)
