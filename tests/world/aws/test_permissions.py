"""What policies let through: actions and resources that calls need, and how each service refuses (OPS-24, SEC-12)."""

import json
from typing import Any

from tests.world.aws.identities import allow, give, key_of, make_user, may, refusal, trust
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

HERE = f"arn:aws:ec2:us-east-1:{CUSTOMER}:"


def test_each_service_refuses_in_its_own_words(aws: AwsWorld) -> None:
    """OPS-06 sorts refusals by code, and names the action from the words; bare moto refuses nobody."""
    key = make_user(aws, CUSTOMER)
    table: list[tuple[str, str, dict[str, Any], str, str]] = [
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation", "ec2:DescribeVpcs"),
        ("iam", "list_roles", {}, "AccessDenied", "iam:ListRoles"),
        (
            "sts",
            "decode_authorization_message",
            {"EncodedMessage": "x"},
            "AccessDenied",
            "sts:DecodeAuthorizationMessage",
        ),
        ("s3", "list_buckets", {}, "AccessDenied", "s3:ListAllMyBuckets"),
        ("s3", "create_bucket", {"Bucket": "some-bucket"}, "AccessDenied", "s3:CreateBucket"),
        ("cloudformation", "describe_stacks", {}, "AccessDenied", "cloudformation:DescribeStacks"),
        ("efs", "describe_file_systems", {}, "AccessDeniedException", "elasticfilesystem:DescribeFileSystems"),
        ("kms", "create_key", {}, "AccessDeniedException", "kms:CreateKey"),
        ("ssm", "get_parameter", {"Name": "/a/b"}, "AccessDeniedException", "ssm:GetParameter"),
        ("secretsmanager", "list_secrets", {}, "AccessDeniedException", "secretsmanager:ListSecrets"),
        ("service-quotas", "list_services", {}, "AccessDeniedException", "servicequotas:ListServices"),
        ("resourcegroupstaggingapi", "get_resources", {}, "AccessDeniedException", "tag:GetResources"),
        ("dynamodb", "describe_table", {"TableName": "some"}, "AccessDeniedException", "dynamodb:DescribeTable"),
    ]
    for service, operation, told, code, action in table:
        found, words = refusal(getattr(aws.client(service, **key), operation), **told)
        assert found == code, (service, operation, words)
        assert f"User: arn:aws:iam::{CUSTOMER}:user/ada is not authorized to perform: {action}" in words
        assert f"because no identity-based policy allows the {action} action" in words
    give(aws, {**may("iam:ListRoles"), "Effect": "Deny"})
    assert refusal(aws.client("iam", **key).list_roles)[1].endswith("with an explicit deny in an identity-based policy")
    asked = refusal(aws.client("ssm", **key).get_parameter, Name="/a/b")[1]
    assert f"on resource: arn:aws:ssm:us-east-1:{CUSTOMER}:parameter/a/b because" in asked


def test_an_encoded_message_can_be_read(aws: AwsWorld) -> None:
    """OPS-06: the raw answer hides why; the decoded one names action, resource and what the request told."""
    key = make_user(aws, CUSTOMER, policy=allow("sts:DecodeAuthorizationMessage"))
    code, words = refusal(aws.client("ec2", **key).delete_vpc, VpcId="vpc-0123")
    assert code == "UnauthorizedOperation"
    sts = aws.client("sts", **key)
    message = words.partition("Encoded authorization failure message: ")[2]
    told = json.loads(sts.decode_authorization_message(EncodedMessage=message)["DecodedMessage"])
    assert (told["allowed"], told["explicitDeny"]) == (False, False)
    assert told["context"]["action"] == "ec2:DeleteVpc"
    assert told["context"]["resource"] == f"{HERE}vpc/vpc-0123"
    assert told["context"]["principal"]["arn"] == f"arn:aws:iam::{CUSTOMER}:user/ada"
    keys = {item["key"] for item in told["context"]["conditions"]["items"]}
    assert {"aws:requestedregion", "ec2:region"} <= keys
    wrong = refusal(sts.decode_authorization_message, EncodedMessage=f"{message}x")[0]
    assert wrong == "InvalidAuthorizationMessageException"


def test_policies_come_from_groups_and_from_aws_too(aws: AwsWorld) -> None:
    """A user's rights are its own, its groups' and those of managed policies, in their present version."""
    iam, ec2 = aws.client("iam"), aws.client("ec2", **make_user(aws, CUSTOMER))
    assert refusal(ec2.describe_vpcs)[0] == "UnauthorizedOperation"
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="ada")
    iam.put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=allow("ec2:DescribeVpcs"))
    assert refusal(ec2.describe_vpcs) == ("", "")
    iam.attach_user_policy(UserName="ada", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
    assert refusal(ec2.describe_subnets) == ("", "")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allow("ec2:CreateVpc"))["Policy"]["Arn"]
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    assert refusal(ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True) == ("", "")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("ec2:DeleteVpc"), SetAsDefault=True)
    assert refusal(ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)[0] == "UnauthorizedOperation"


def test_a_boundary_bounds(aws: AwsWorld) -> None:
    """What a boundary does not allow, no policy can give."""
    iam = aws.client("iam")
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=allow("ec2:Describe*"))["Policy"]["Arn"]
    document = trust(INSTALLATION)
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document, PermissionsBoundary=boundary)
    iam.put_role_policy(RoleName="r", PolicyName="all", PolicyDocument=allow("*"))
    arn = f"arn:aws:iam::{CUSTOMER}:role/r"
    key = key_of(aws.client("sts", **aws.worker).assume_role(RoleArn=arn, RoleSessionName="test"))
    assert refusal(aws.client("ec2", **key).describe_vpcs) == ("", "")
    words = refusal(aws.client("iam", **key).list_roles)[1]
    assert "because no permissions boundary allows the iam:ListRoles action" in words


def test_what_is_not_there_is_refused_all_the_same(aws: AwsWorld) -> None:
    """A condition on a tag hides whether a thing exists: the product must not read it as "gone" (ACC-18)."""
    ec2 = aws.client("ec2", **make_user(aws, CUSTOMER))
    give(aws, may("ec2:DeleteVpc", StringEquals={"aws:ResourceTag/groundwork": "x"}))
    assert refusal(ec2.delete_vpc, VpcId="vpc-0123456789abcdef0")[0] == "UnauthorizedOperation"
    give(aws, may("ec2:DeleteVpc"))
    assert refusal(ec2.delete_vpc, VpcId="vpc-0123456789abcdef0")[0] == "InvalidVpcID.NotFound"


def test_buckets_of_others_and_buckets_with_policies(aws: AwsWorld) -> None:
    """Bare moto lets everyone read every bucket, and its own refusal has no body (S3 User Guide: "Bucket policies")."""
    s3, other = aws.client("s3"), aws.client("s3", INSTALLATION)
    s3.create_bucket(Bucket="our-bucket")
    s3.put_object(Bucket="our-bucket", Key="a", Body=b"x")
    asked = {"Bucket": "our-bucket", "Key": "a"}
    foreign = aws.client("s3", **make_user(aws, INSTALLATION, "bob"))
    let_out = aws.client("s3", **make_user(aws, INSTALLATION, "eve", allow("s3:*")))
    for client in (other, foreign, let_out):
        assert refusal(client.get_object, **asked)[0] == "AccessDenied"

    def policy(effect: str, principal: Any, action: str = "s3:GetObject") -> None:
        resources = ["arn:aws:s3:::our-bucket", "arn:aws:s3:::our-bucket/*"]
        statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": resources}
        s3.put_bucket_policy(
            Bucket="our-bucket", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        )

    policy("Allow", {"AWS": f"arn:aws:iam::{INSTALLATION}:root"})
    assert refusal(other.get_object, **asked) == ("", "")
    assert refusal(other.put_object, **asked)[0] == "AccessDenied"
    assert refusal(foreign.get_object, **asked)[0] == "AccessDenied", "its own account has not let it"
    assert refusal(let_out.get_object, **asked) == ("", "")

    ada = aws.client("s3", **make_user(aws, CUSTOMER))
    assert refusal(ada.get_object, **asked)[0] == "AccessDenied"
    give(aws, may("s3:*", StringEquals={"aws:ResourceAccount": INSTALLATION}))
    assert refusal(ada.get_object, **asked)[0] == "AccessDenied"
    give(aws, may("s3:*", StringEquals={"aws:ResourceAccount": CUSTOMER}))
    assert refusal(ada.get_object, **asked) == ("", "")
    give(aws, may("ec2:*"))
    policy("Allow", {"AWS": f"arn:aws:iam::{CUSTOMER}:user/ada"})
    assert refusal(ada.get_object, **asked) == ("", ""), "at home the bucket's policy is enough"
    policy("Deny", "*", "s3:*")
    give(aws, may("s3:*"))
    for client in (ada, s3):
        assert "explicit deny in a resource-based policy" in refusal(client.get_object, **asked)[1]
    assert refusal(ada.delete_bucket_policy, Bucket="our-bucket")[0] == "AccessDenied"
    assert refusal(s3.delete_bucket_policy, Bucket="our-bucket") == ("", ""), "the owner's root user mends it"
    assert refusal(ada.get_object, **asked) == ("", "")


def test_an_object_that_is_not_there(aws: AwsWorld) -> None:
    """Without s3:ListBucket S3 says 403, not 404: the product must not take it for a wrong policy on the object."""
    aws.client("s3").create_bucket(Bucket="our-bucket")
    s3 = aws.client("s3", **make_user(aws, CUSTOMER, policy=allow("s3:GetObject")))
    asked = {"Bucket": "our-bucket", "Key": "nothing"}
    assert refusal(s3.get_object, **asked)[0] == "AccessDenied"
    assert refusal(s3.head_object, **asked)[0] == "403"
    give(aws, may(["s3:GetObject", "s3:ListBucket"]))
    assert refusal(s3.get_object, **asked)[0] == "NoSuchKey"
    assert refusal(s3.head_object, **asked)[0] == "404"


def test_iam_is_judged_by_the_path_of_roles(aws: AwsWorld) -> None:
    """ACC-03: keys that may make one role, and hand over none but it."""
    key = make_user(aws, CUSTOMER)
    iam, name = aws.client("iam", **key), "GroundworkRole"
    mine = f"arn:aws:iam::{CUSTOMER}:role/Groundwork*"
    give(aws, may(["iam:CreateRole", "iam:PutRolePolicy", "iam:GetRole", "iam:TagRole"], mine))
    document = trust(INSTALLATION)
    assert refusal(iam.create_role, RoleName="Other", AssumeRolePolicyDocument=document)[0] == "AccessDenied"
    tags = [{"Key": "a", "Value": "b"}]
    assert refusal(iam.create_role, RoleName=name, AssumeRolePolicyDocument=document, Tags=tags) == ("", "")
    assert refusal(iam.put_role_policy, RoleName=name, PolicyName="p", PolicyDocument=allow("s3:*")) == ("", "")
    assert refusal(iam.delete_role, RoleName=name)[0] == "AccessDenied"
    aws_policy = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    give(aws, may("iam:AttachRolePolicy", ArnEquals={"iam:PolicyARN": aws_policy}))
    assert refusal(iam.attach_role_policy, RoleName=name, PolicyArn=aws_policy) == ("", "")
    admin = aws_policy.replace("AmazonSSMManagedInstanceCore", "AdministratorAccess")
    assert refusal(iam.attach_role_policy, RoleName=name, PolicyArn=admin)[0] == "AccessDenied"


def test_an_organisation_binds_everyone(aws: AwsWorld) -> None:
    """ACC-08: a service control policy stops even the root user of a member's account."""
    aws.settings(scp_denied=["ec2:Create*"])
    words = refusal(aws.client("ec2").create_vpc, CidrBlock="10.0.0.0/16")[1]
    assert "with an explicit deny in a service control policy" in words
    assert refusal(aws.client("ec2").describe_vpcs) == ("", "")
    assert refusal(aws.client("ec2", INSTALLATION).create_vpc, CidrBlock="10.0.0.0/16") == ("", "")


def test_no_permission_is_needed_to_know_who_one_is(aws: AwsWorld) -> None:
    """STS API reference: GetCallerIdentity cannot be denied."""
    key = make_user(aws, CUSTOMER)
    give(aws, {**may("*"), "Effect": "Deny"})
    assert refusal(aws.client("ec2", **key).describe_vpcs)[0] == "UnauthorizedOperation"
    assert aws.client("sts", **key).get_caller_identity()["Account"] == CUSTOMER
