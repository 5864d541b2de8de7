"""Which store a job is kept in, chosen by documents on a real Prefect server (JOB-18, JOB-19)."""

from collections.abc import Iterator

import pytest

from blocks.aws_account import AwsAccount, Feature, Variant, completed
from blocks.errors import AccessDenied, BadInput, NotFound
from blocks.job_store import JobStore, StoreKind
from tasks import aws_account_records, documents
from tasks.home import home
from tasks.installation import installation
from tasks.providers.accounts import entered_aws
from tasks.providers.aws import policies
from tasks.stores.choosing import store_for
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.worlds.aws_world import CUSTOMER, AwsWorld
from tests.worlds.prefect_server import PrefectServer


@pytest.fixture(autouse=True)
def _nothing_kept(no_accounts: AwsWorld, prefect_worker: AwsWorld) -> Iterator[None]:
    entered_aws.cache_clear()
    yield
    entered_aws.cache_clear()
    documents.remove(JobStore, "default")
    documents.remove(JobStore, "team")


def account(*features: Feature) -> None:
    """Connect the customer's account under the name ``team``."""
    asked = completed(Variant.AUTOMATED, features)
    arn = role("groundwork-access", policies.permission_policies(Variant.AUTOMATED, asked, account_id=CUSTOMER))
    told = AwsAccount(account_id=CUSTOMER, role_arn=arn, external_id=EXTERNAL_ID, features=asked)
    aws_account_records.claim(told, "team")


def test_without_a_word_it_is_the_folder(house: PrefectServer) -> None:
    """JOB-18: as it always was; a block that says so is the same."""
    for block in (None, JobStore(kind=StoreKind.FOLDER)):
        assert store_for(block).of("job-1").link("job.json") == (home() / "jobs/job-1/job.json").as_uri()


@pytest.mark.parametrize("name", ["team", "aws-account/team"])
def test_the_default_store_is_taken(prefect_worker: AwsWorld, name: str) -> None:
    """JOB-19: the region's bucket of ours, and no other; what is kept there is read again by whoever comes."""
    account(Feature.JOBS)
    bucket = f"groundwork-{installation()}-{CUSTOMER}-eu-west-1"
    place = {"LocationConstraint": "eu-west-1"}
    prefect_worker.client("s3", region="eu-west-1").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    JobStore(kind=StoreKind.S3, account=name, region="eu-west-1").save("default")
    store_for(None).of("job-1").write("job.json", b"x")
    assert store_for(None).of("job-1").read("job.json") == b"x"
    assert store_for(None).of("job-1").link("job.json") == f"s3://{bucket}/jobs/job-1/job.json"
    assert store_for(JobStore(kind=StoreKind.FOLDER)).of("job-1").read("job.json") is None


def test_a_store_that_cannot_be_used_is_refused(house: PrefectServer) -> None:
    """OPS-05: with the field, and what to do, before anything is asked of AWS."""
    for field, given in (("account", {"region": "us-east-1"}), ("region", {"account": "team"})):
        with pytest.raises(BadInput, match=rf"^job-store/new: {field}: a store in S3 needs it"):
            store_for(JobStore(kind=StoreKind.S3, **given))
    block = JobStore(kind=StoreKind.S3, account="team", region="us-east-1")
    with pytest.raises(NotFound, match="team"):
        store_for(block)
    account(Feature.SPOT)
    block.save("team")
    with pytest.raises(AccessDenied, match=r"^job-store/team: the account team was connected without the feature jobs"):
        store_for(block)
