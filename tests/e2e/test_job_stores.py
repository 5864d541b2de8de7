"""Which store a job is kept in, chosen by documents on a real Prefect server (JOB-18, JOB-19)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.aws_account import AwsAccount, Feature, Variant, completed
from blocks.errors import AccessDenied, BadInput, NotFound
from blocks.job_store import JobStore, StoreKind
from tasks import aws_account_records, documents, job_records, records
from tasks.home import home
from tasks.installation import installation
from tasks.providers.accounts import entered_aws
from tasks.providers.aws import policies, session
from tasks.stores.choosing import store_for
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.worlds import flow_runs
from tests.worlds.aws_world import CUSTOMER, AwsWorld
from tests.worlds.flow_runs import block as reference
from tests.worlds.git_server import GitServer
from tests.worlds.prefect_server import PrefectServer
from tests.worlds.programs import FILES


@pytest.fixture(autouse=True)
def _nothing_kept(no_accounts: AwsWorld, prefect_worker: AwsWorld) -> Iterator[None]:
    forget_ways_in()
    yield
    forget_ways_in()
    documents.remove(JobStore, "default")
    documents.remove(JobStore, "team")


def forget_ways_in() -> None:
    """A world that is made anew knows none of the sessions that this process has."""
    entered_aws.cache_clear()
    session._SHARED.clear()


def account(*features: Feature) -> None:
    """Connect the customer's account under the name ``team``."""
    asked = completed(Variant.AUTOMATED, features)
    arn = role("groundwork-access", policies.permission_policies(Variant.AUTOMATED, asked, account_id=CUSTOMER))
    told = AwsAccount(account_id=CUSTOMER, role_arn=arn, external_id=EXTERNAL_ID, features=asked)
    aws_account_records.claim(told, "team")


def bucket_of_account(aws: AwsWorld) -> str:
    """Connect the account, and make what is our bucket in one of its regions."""
    account(Feature.JOBS)
    bucket = f"groundwork-{installation()}-{CUSTOMER}-eu-west-1"
    place = {"LocationConstraint": "eu-west-1"}
    aws.client("s3", region="eu-west-1").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    return bucket


def test_without_a_word_it_is_the_folder(house: PrefectServer) -> None:
    """JOB-18: as it always was; a block that says so is the same."""
    for block in (None, JobStore(kind=StoreKind.FOLDER)):
        assert store_for(block).of("job-1").link("job.json") == (home() / "jobs/job-1/job.json").as_uri()


@pytest.mark.parametrize("name", ["team", "aws-account/team"])
def test_the_default_store_is_taken(prefect_worker: AwsWorld, name: str) -> None:
    """JOB-19: the region's bucket of ours, and no other; what is kept there is read again by whoever comes."""
    bucket = bucket_of_account(prefect_worker)
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


def test_a_job_is_kept_in_s3_and_read_when_its_cluster_is_gone(
    house: PrefectServer, prefect_worker: AwsWorld, tmp_path: Path
) -> None:
    """JOB-18, JOB-19, JOB-21: output, each rank's too, and results, although the program failed; nothing is here."""
    bucket = bucket_of_account(prefect_worker)
    JobStore(kind=StoreKind.S3, account="team", region="eu-west-1").save("team")
    with GitServer(tmp_path) as git:
        git.repository("ada/open").commit(FILES)
        run = flow_runs.run(
            "run-job/on-demand", name="stored", source=git.url("ada/open"), command="fails.py", nodes=2,
            store=reference("job-store", "team"), output_per_rank=True,
        )  # fmt: skip
    assert run.state is not None
    assert run.state.is_failed()
    job = job_records.find("team", f"stored-{str(run.id)[:8]}")
    assert job is not None
    assert (job.seed_state, job.attempt.ending and job.attempt.ending.rank_code) == ("FAILED", 7)
    assert records.find(job.cluster) is None
    s3 = prefect_worker.client("s3", region="eu-west-1")
    kept = {
        one["Key"].removeprefix(f"jobs/{job.id}/"): s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
        for one in s3.list_objects_v2(Bucket=bucket, Prefix="jobs/")["Contents"]
    }
    assert kept.pop("job.json")
    assert kept["attempt-1/output/partial.txt"] == b"half"
    assert kept["attempt-1/stderr.log"].count(b"the stove is cold") == 1
    assert kept["attempt-1/ranks/1.stderr.log"].startswith(b"the stove is cold")
    assert not (home() / "jobs" / job.id).exists()
    shown = str([artifact.data for artifact in flow_runs.artifacts(run.id)])
    assert f"s3://{bucket}/jobs/{job.id}/attempt-1/stdout.log" in shown
