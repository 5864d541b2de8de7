"""Which sources a job may have where, before anything is asked of anybody: JOB-05."""

from typing import Any

import pytest
from pydantic import SecretStr

from blocks.cluster import Cluster
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import BadInput
from blocks.git_credentials import GitCredentials
from blocks.job import JobSpec
from tasks import sources

ADA = GitCredentials(username="ada", token=SecretStr("right-token"))


def spec(**wishes: Any) -> JobSpec:
    """A job whose program lies in S3, unless told otherwise."""
    return JobSpec(**{"name": "heat", "source": "s3://lab-data/heat/", "command": "ex.py", **wishes})


@pytest.mark.parametrize("cluster", [None, Cluster(spec=LocalClusterSpec(name="lab"))])
def test_s3_needs_a_cluster_in_an_aws_account(cluster: Cluster | None) -> None:
    """JOB-05: nobody's credentials would read it; also where the cluster is only to be made, here."""
    with pytest.raises(BadInput, match=r"^source: sources in S3 are for clusters in an AWS account"):
        sources.check(spec(), cluster, None)


@pytest.mark.parametrize(
    ("field", "wishes", "credentials"),
    [
        ("reference", {"reference": "main"}, None),
        ("submodules", {"submodules": True}, None),
        ("credentials", {}, ADA),
    ],
)
def test_what_is_gits_is_refused_by_its_field(
    field: str, wishes: dict[str, Any], credentials: GitCredentials | None
) -> None:
    """JOB-05: a reference that nobody looks at would look as if it had been taken."""
    with pytest.raises(BadInput, match=f"^{field}: is git's"):
        sources.check(spec(**wishes), None, credentials)
    sources.check(spec(source="https://example.org/o/r", **wishes), None, credentials)


def test_an_address_that_is_none_is_refused_by_its_field() -> None:
    """JOB-03, JOB-05: what the form lets through."""
    for source in ("s3://lab-data/./x/", "https://example.org/o/%2e%2e/r"):
        with pytest.raises(BadInput, match=r"^source: "):
            sources.check(spec(source=source), None, None)
