"""S3 and SSM in the world: names, owners, policies, what a new bucket has, pages (OPS-24)."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.world.aws.refusals import refused
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

BUCKET = "groundwork-lab"


@pytest.fixture
def s3(aws: AwsWorld) -> Any:
    """A client of the owner of a bucket."""
    client = aws.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def policy(effect: str = "Allow", who: Any = "*", action: str = "s3:GetObject", where: str = "/*", **more: Any) -> str:
    """Return a bucket policy of one statement."""
    statement = {"Effect": effect, "Principal": who, "Action": action, "Resource": f"arn:aws:s3:::{BUCKET}{where}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})


@pytest.mark.parametrize(
    "name", ["Lab", "g_w", "ab", "a" * 64, "a..b", "-ab", "ab-", "192.168.1.1", "xn--ab", "sthree-a", "ab-s3alias"]
)
def test_names_that_s3_does_not_take(aws: AwsWorld, name: str) -> None:
    """Moto makes most of these."""
    refused("InvalidBucketName", aws.client("s3").create_bucket, Bucket=name)


def test_where_a_bucket_is(aws: AwsWorld, s3: Any) -> None:
    """The first region is told as nothing, and each other one must be asked for by name."""
    europe = aws.client("s3", region="eu-west-1")
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    refused("IllegalLocationConstraintException", europe.create_bucket, Bucket="lab-eu")
    here = {"CreateBucketConfiguration": {"LocationConstraint": "us-east-1"}}
    refused("InvalidLocationConstraint", s3.create_bucket, Bucket="lab-us", **here)
    there = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    europe.create_bucket(Bucket="lab-eu", **there)
    refused("BucketAlreadyOwnedByYou", europe.create_bucket, Bucket="lab-eu", **there)
    assert s3.get_bucket_location(Bucket="lab-eu")["LocationConstraint"] == "eu-west-1"
    s3.create_bucket(Bucket=BUCKET)  # only the first region lets its owner ask twice
    refused("BucketAlreadyExists", aws.client("s3", INSTALLATION).create_bucket, Bucket=BUCKET)


def test_a_new_bucket_is_closed(s3: Any) -> None:
    """Since 2023 AWS closes and encrypts what nobody asked it to; moto leaves all open."""
    assert all(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
    told = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert told[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    refused("AccessControlListNotSupported", s3.put_bucket_acl, Bucket=BUCKET, ACL="public-read")
    refused("AccessControlListNotSupported", s3.put_object, Bucket=BUCKET, Key="a", ACL="public-read")
    s3.put_object(Bucket=BUCKET, Key="a", ACL="bucket-owner-full-control")
    refused("AccessDenied", s3.put_bucket_policy, Bucket=BUCKET, Policy=policy())
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy())


def test_a_bucket_of_another_account(aws: AwsWorld, s3: Any) -> None:
    """Moto lets every account read every bucket."""
    other = aws.client("s3", INSTALLATION)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    refused("AccessDenied", other.get_object, Bucket=BUCKET, Key="a")
    refused("AccessDenied", other.list_objects_v2, Bucket=BUCKET)
    refused("AccessDenied", other.put_object, Bucket=BUCKET, Key="b", Body=b"")
    refused("403", other.head_bucket, Bucket=BUCKET)
    refused("NoSuchBucket", other.list_objects_v2, Bucket="nobodys-bucket")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(who={"AWS": INSTALLATION}))
    assert other.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"x"
    refused("AccessDenied", other.delete_object, Bucket=BUCKET, Key="a")


def test_a_bucket_policy_denies_its_owner_too(s3: Any) -> None:
    """The code is AccessDenied, the root user may still take the policy away, and TLS is on in the world."""
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    plain = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy("Deny", action="s3:*", **plain))
    s3.get_object(Bucket=BUCKET, Key="a")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy("Deny", action="s3:GetObject"))
    words = refused("AccessDenied", s3.get_object, Bucket=BUCKET, Key="a")
    assert "explicit deny" in words
    s3.delete_bucket_policy(Bucket=BUCKET)
    s3.get_object(Bucket=BUCKET, Key="a")


@pytest.mark.parametrize(
    "text",
    [
        "{no",
        "{}",
        policy(effect="Maybe"),
        policy(who=""),
        policy(who={"AWS": f"arn:aws:iam::{CUSTOMER}:role/nobody"}),
        policy(who={"AWS": "somebody"}),
        policy(action="ec2:RunInstances"),
        policy(where="-of-others/*"),
        policy(Condition={"Perhaps": {"a": "b"}}),
    ],
)
def test_policies_that_are_none(s3: Any, text: str) -> None:
    """Moto keeps whatever it is given."""
    refused("MalformedPolicy", s3.put_bucket_policy, Bucket=BUCKET, Policy=text)


def test_a_bucket_goes_when_it_is_empty(s3: Any) -> None:
    """An object's older version and its delete marker hold a bucket as well."""
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="a")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
    told = s3.list_object_versions(Bucket=BUCKET)
    for version in [*told["Versions"], *told["DeleteMarkers"]]:
        s3.delete_object(Bucket=BUCKET, Key="a", VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)
    refused("404", s3.head_bucket, Bucket=BUCKET)


def test_lists_of_objects_in_pages(aws: AwsWorld, s3: Any) -> None:
    """Who reads one page deletes half a bucket; a token is no object's name."""
    aws.settings(page_size=2)
    keys = [f"dir/{n}" for n in range(5)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    for name in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(name).paginate(Bucket=BUCKET))
        assert [len(page["Contents"]) for page in pages] == [2, 2, 1], name
        assert [item["Key"] for page in pages for item in page["Contents"]] == keys
    token = s3.list_objects_v2(Bucket=BUCKET)["NextContinuationToken"]
    assert "dir" not in token
    s3.create_bucket(Bucket="another-lab")
    refused("InvalidArgument", s3.list_objects_v2, Bucket="another-lab", ContinuationToken=token)
    versions = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    assert [item["Key"] for page in versions for item in page["Versions"]] == keys


def test_an_object_is_read_as_it_was_listed(s3: Any) -> None:
    """JOB-05, OPS-24: what changed since is refused, what is gone is not there; the words are S3's."""
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"one")
    [told] = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    asked = {"Bucket": BUCKET, "Key": "a", "IfMatch": told["ETag"]}
    assert s3.get_object(**asked)["Body"].read() == b"one"
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"two")
    refused("PreconditionFailed", s3.get_object, **asked)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"one")
    assert s3.get_object(**asked)["Body"].read() == b"one"
    s3.delete_object(Bucket=BUCKET, Key="a")
    refused("NoSuchKey", s3.get_object, **asked)


def test_an_object_may_hold_any_bytes(s3: Any) -> None:
    """OPS-24: what is no text comes as it went."""
    body = bytes(range(256))
    s3.put_object(Bucket=BUCKET, Key="a", Body=body)
    assert s3.get_object(Bucket=BUCKET, Key="a")["Body"].read() == body


def presigned(aws: AwsWorld, seconds_ago: int = 0) -> str:
    """Return an address that is good for a minute for whoever has it, signed so long ago."""
    key = root_key(CUSTOMER)
    auth = S3SigV4QueryAuth(Credentials(key.access_key, key.secret), "s3", "us-east-1", expires=60)
    request = AWSRequest("GET", f"{aws.url}/{BUCKET}/a%20b")
    request.context["timestamp"] = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("%Y%m%dT%H%M%SZ")
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return str(request.url)


def test_an_address_that_is_signed(aws: AwsWorld, s3: Any) -> None:
    """It opens one object for a minute; moto reads no signature there."""
    s3.put_object(Bucket=BUCKET, Key="a b", Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="c", Body=b"y")
    good = presigned(aws)
    with urllib.request.urlopen(good, timeout=10) as reply:
        assert reply.read() == b"x"
    forged = [
        good.replace("a%20b", "c"),
        good.replace("Expires=60", "Expires=600"),
        good[:-1] + ("0" if good[-1] != "0" else "1"),
    ]
    for address, code in [
        *((address, "SignatureDoesNotMatch") for address in forged),
        (presigned(aws, 61), "AccessDenied"),
    ]:
        with pytest.raises(urllib.error.HTTPError, match="403") as error:
            urllib.request.urlopen(address, timeout=10)
        assert code in error.value.read().decode()


def test_a_command_wants_a_managed_node(aws: AwsWorld) -> None:
    """Moto runs it with success on instances that never were."""
    ssm = aws.client("ssm")
    asked = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
    refused("InvalidInstanceId", ssm.send_command, InstanceIds=["i-00000000000000000"], **asked)
    assert ssm.describe_instance_information()["InstanceInformationList"] == []


def test_parameters_of_ssm(aws: AwsWorld) -> None:
    """A cluster's key fits into one, and a page has ten of them whatever is asked."""
    ssm = aws.client("ssm")
    refused("ValidationException", ssm.put_parameter, Name="/a", Value="x" * 4097, Type="SecureString")
    for number in range(12):
        ssm.put_parameter(Name=f"/lab/{number:02}", Value="x", Type="SecureString")
    refused("ParameterAlreadyExists", ssm.put_parameter, Name="/lab/00", Value="y", Type="SecureString")
    first = ssm.get_parameters_by_path(Path="/lab")
    assert (len(first["Parameters"]), "NextToken" in first) == (10, True)
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/lab", WithDecryption=True)
    assert [told["Value"] for page in pages for told in page["Parameters"]] == ["x"] * 12
    refused("ValidationException", ssm.get_parameters_by_path, Path="/lab", MaxResults=11)
    ssm.delete_parameter(Name="/lab/00")
    refused("ParameterNotFound", ssm.get_parameter, Name="/lab/00")
