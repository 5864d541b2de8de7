"""A cluster in a restricted account from its plan to its end, as our role with that variant's policies and no more."""

from typing import Any

import pytest

from blocks.aws_account import AwsAccount, Feature, Variant
from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster
from tasks.providers.aws import choices, own_ground, plan, policies, quotas, self_test
from tasks.providers.aws.key_store import AwsKeyStore
from tasks.providers.aws.policies.rights import rights_of
from tasks.providers.aws.provider import AwsProvider
from tasks.providers.aws.region.site import Site
from tasks.providers.aws.removal.deleting import Wishes
from tasks.providers.aws.removal.removing import remove
from tasks.providers.aws.removal.things import Area
from tasks.providers.aws.session import assumed
from tests.contract.least_rights import ASSUME, EXTERNAL_ID, role
from tests.contract.own_ground import Own, own_network
from tests.contract.region_ground import world
from tests.worlds.aws.noting import DENIALS
from tests.worlds.aws_clusters import OWNER, REGION, share_image
from tests.worlds.aws_clusters_fixtures import pushed_clock
from tests.worlds.aws_exactness import LATER
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld


@pytest.fixture
def aws_ahead(prefect_worker: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> AwsWorld:
    """A world whose clock is pushed on by whoever waits."""
    pushed_clock(monkeypatch, prefect_worker)
    return prefect_worker


class Customer:
    """The customer's account: a network and a profile for nodes by hand, an image of ours, and our role."""

    def __init__(self, aws: AwsWorld) -> None:
        self.aws, iam = aws, aws.client("iam")
        iam.create_role(RoleName="nodes", AssumeRolePolicyDocument=ASSUME)
        iam.create_instance_profile(InstanceProfileName="nodes")
        iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
        self.own: Own = own_network(aws.client("ec2"))
        aws.advance(300)
        share_image(aws)
        bounds: Any = {"vpc_id": self.own.vpc, "instance_profile": "nodes"}
        features = [feature for feature in Feature if feature is not Feature.NETWORKS]
        documents = policies.permission_policies(Variant.RESTRICTED, features, account_id=CUSTOMER, **bounds)
        arn = role("groundwork-restricted", documents)
        self.us = assumed(arn, EXTERNAL_ID, REGION)
        self.account = AwsAccount(
            account_id=CUSTOMER,
            role_arn=arn,
            external_id=EXTERNAL_ID,
            variant=Variant.RESTRICTED,
            features=features,
            default_region=REGION,
            **bounds,
        )
        self.account._block_document_name = "team"

    def keys(self) -> AwsKeyStore:
        """The keys of clusters, as another process has them."""
        return AwsKeyStore(self.us, OWNER.installation)

    def provider(self) -> AwsProvider:
        """Our provider, as another process has it."""
        return AwsProvider(self.us, self.account, OWNER.installation, self.keys())

    def asked(self) -> list[dict[str, Any]]:
        """What our role asked, but for questions about rights."""
        calls = [call for call in self.aws.calls() if call["principal"].endswith("/groundwork")]
        return [call for call in calls if not call["params"].get("DryRun")]


def live(customer: Customer, spec: AwsClusterSpec) -> None:
    """Plan a cluster, lay its ground, launch it, stop and start it where that can be, shrink it, delete it."""
    us, account = customer.us, customer.account
    plan.make(plan.Asker(us, account, INSTALLATION, OWNER.installation), spec).require_feasible()
    site = Site(us, REGION, OWNER, CUSTOMER, "first")
    own_ground.wait_files(site, own_ground.lay(site, account, spec))
    cluster = Cluster(spec=spec, creator="0c1a5b1e-run")
    customer.keys().ensure(cluster)
    provider = customer.provider()
    provider.check(spec)
    cluster.ground = provider.prepare(cluster)
    provider.launch(cluster, cluster.ground, [1, 2, 3], public_key="")
    assert [node.is_up for node in provider.nodes(cluster)] == [True] * 3
    provider = customer.provider()
    if not spec.spot:
        provider.stop(cluster)
        provider.start(cluster)
        provider.launch(cluster, cluster.ground, [2, 3], public_key="")
    provider.terminate(cluster, [3])
    assert [node.is_up for node in provider.nodes(cluster)] == [True] * 2
    provider.release(cluster)
    customer.keys().destroy(cluster)


def test_clusters_live_with_the_restricted_variants_rights(aws_ahead: AwsWorld) -> None:
    """NET-02, ACC-10, SEC-12: nothing is denied, all that the policies allow is needed, and nothing stays."""
    customer = Customer(aws_ahead)
    before = world(aws_ahead)
    found = self_test.missing(customer.us, customer.account)
    assert {one.state for one in found} == {"good"}, found
    assert choices.of_account(customer.us, INSTALLATION, REGION, choices.Wishes(family="c5")).zones
    aws_ahead.fault("error", "service-quotas:GetServiceQuota", code="NoSuchResourceException", times=-1)
    told = quotas.findings(customer.us, REGION, Variant.RESTRICTED, customer.account.features)
    assert {one.state for one in told} == {"good"}, "each has AWS's own number"
    aws_ahead.mend()
    for spot in (False, True):
        open_to = {"services": ("ssh",), "allowed_addresses": ("203.0.113.7/32",)}
        live(customer, customer.own.spec(node_count=3, spot=spot, instance_profile="nodes", **open_to))
    assert remove(Area(customer.us, REGION, OWNER.installation, CUSTOMER, makes_networks=False), Wishes()) == []
    assert world(aws_ahead) == before

    calls = customer.asked()
    assert [call for call in calls if call["error"] in DENIALS] == []
    features = [feature for feature in customer.account.features if feature not in {*LATER, Feature.JOBS}]
    allowed = {right.action for feature in features for right in rights_of(Variant.RESTRICTED, feature)}
    used = {action for call in calls for action, _ in call["actions"]}
    assert sorted(allowed - used) == ["sts:DecodeAuthorizationMessage"], "which is asked when something is denied"
