"""Records of AWS accounts on a real Prefect server: one writer at a time, keys in their own document alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import AwsAccount, Feature, Finding, Health, Variant
from blocks.cluster import Cluster
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import BadInput, NameTaken, NotFound
from blocks.logos import logo
from tasks import aws_account_records as records
from tasks import documents
from tests.worlds.prefect_server import PrefectServer

CANARY = "canary-8f0c2d41b7"


@pytest.fixture(autouse=True)
def _nothing_kept(house: PrefectServer) -> Iterator[None]:
    yield
    for kind in (AwsAccount, AwsCredentials, Cluster):
        for block in documents.every(kind):
            documents.remove(kind, str(block._block_document_name))


def keys(name: str = "keys", secret: str = CANARY) -> AwsCredentials:
    """Keys in a block, as somebody saves them."""
    block = AwsCredentials(aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key=SecretStr(secret))
    block.save(name, overwrite=True)
    return block


def secret_of(account: AwsAccount) -> str:
    assert account.access_keys is not None
    assert account.access_keys.aws_secret_access_key is not None
    return account.access_keys.aws_secret_access_key.get_secret_value()


def test_a_record_from_its_first_day_to_its_last() -> None:
    """ACC-22: what is written is read again by its name; what is forgotten is gone."""
    records.claim(AwsAccount(external_id="id-1", features=[Feature.CLUSTERS, Feature.EFS]), "team")
    invited = records.read("team")
    assert (invited.name, invited.external_id, invited.health) == ("team", "id-1", Health.INVITED)
    found = [Finding(subject="identity", state="good", text="it is us")]
    records.change(invited, account_id="222222222222", health=Health.READY, findings=found, variant=Variant.RESTRICTED)
    ready = records.read("team")
    assert (ready.external_id, ready.account_id, ready.health) == ("id-1", "222222222222", Health.READY)
    assert (ready.features, ready.findings, ready.variant) == (invited.features, found, Variant.RESTRICTED)
    assert ready.created_at == invited.created_at
    records.forget(ready)
    records.forget(ready)
    assert records.find("team") is None
    with pytest.raises(NotFound, match="team"):
        records.read("team")
    with pytest.raises(NotFound):
        records.change(ready, reason="too late")


def test_a_name_is_claimed_once() -> None:
    """SEC-04: a second claim would draw another external id, and lock out the role that trusts the first."""
    records.claim(AwsAccount(external_id="id-1"), "team")
    with pytest.raises(NameTaken):
        records.claim(AwsAccount(external_id="id-2"), "team")
    assert records.read("team").external_id == "id-1"


def test_keys_stay_in_their_own_document() -> None:
    """ACC-15: a copy in the account's record would outlive the removal of the keys' block, and miss their rotation."""
    records.claim(AwsAccount(external_id="id-1"), "team")
    records.change(records.read("team"), access_keys=keys())
    records.change(records.read("team"), health=Health.READY)
    assert secret_of(records.read("team")) == CANARY
    with get_client(sync_client=True) as client:
        shown = client.read_block_document_by_name("team", "aws-account", include_secrets=False)
    assert "AKIAEXAMPLE" in shown.model_dump_json()
    assert CANARY not in shown.model_dump_json()
    keys(secret="rotated")
    assert secret_of(records.read("team")) == "rotated"
    documents.remove(AwsCredentials, "keys")
    assert records.read("team").access_keys is None
    assert records.read("team").health is Health.READY


def test_keys_that_were_never_saved_are_refused() -> None:
    """ACC-15: they would be written into the account's record, where nothing masks or removes them."""
    records.claim(AwsAccount(external_id="id-1"), "team")
    unsaved = AwsCredentials(aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key=SecretStr(CANARY))
    with pytest.raises(BadInput) as caught:
        records.change(records.read("team"), access_keys=unsaved)
    assert caught.value.where == "access_keys"
    with pytest.raises(BadInput):
        records.claim(AwsAccount(external_id="id-2", access_keys=unsaved), "other")
    assert records.read("team").access_keys is None
    assert records.find("other") is None


def test_keys_can_be_taken_out_and_exchanged() -> None:
    """ACC-16: the old keys' block must not stay referred to."""
    records.claim(AwsAccount(external_id="id-1", access_keys=keys("old")), "team")
    records.change(records.read("team"), access_keys=keys("new", "new-secret"))
    documents.remove(AwsCredentials, "old")
    assert secret_of(records.read("team")) == "new-secret"
    records.change(records.read("team"), access_keys=None)
    assert records.read("team").access_keys is None


def test_one_writer_at_a_time() -> None:
    """Prefect's last writer wins: without turns two verifications lose what one of them wrote."""
    records.claim(AwsAccount(external_id="id-1"), "team")

    def add(number: int) -> None:
        with records.one_writer_of("team"):
            account = records.read("team")
            found = Finding(subject=str(number), state="good", text="")
            records.change(account, findings=[*account.findings, found])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert {finding.subject for finding in records.read("team").findings} == {"0", "1", "2", "3"}


class NeverSaved(Block):
    """A kind of block that no server knows."""

    _logo_url = logo("cluster")


def test_every_account_is_listed() -> None:
    """The nightly check goes through them one after the other; an empty house has none, and that is no failure."""
    assert documents.every(NeverSaved) == []
    assert records.every() == []
    for name in ("c", "a", "b"):
        records.claim(AwsAccount(external_id=name), name)
    assert [account.name for account in records.every()] == ["a", "b", "c"]


def test_clusters_hold_their_account() -> None:
    """ACC-22: an account in which a cluster stands cannot be let go."""
    account = records.claim(AwsAccount(external_id="id-1"), "team")
    for name, place in (("mine", "aws-account/team"), ("other", "aws-account/team-2")):
        Cluster(spec=LocalClusterSpec(name=name, account=place)).save(name)
    assert records.clusters_in(account) == ["cluster mine"]
