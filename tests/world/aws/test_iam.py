"""IAM: what is malformed, too much or in use, keys of users, and the policy simulator (OPS-24, ACC-04, ACC-07)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.world.aws.identities import allow, make_user, trust
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

ROLE = f"arn:aws:iam::{CUSTOMER}:role/r"
SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


def code_of(call: Callable[..., Any], **told: Any) -> str:
    """Return the code with which AWS refuses a call; empty where it does not."""
    try:
        call(**told)
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return ""


def policy(*statements: dict[str, Any]) -> str:
    """Return a policy of statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_trust_policy_must_be_one(aws: AwsWorld) -> None:
    """Bare moto makes a role of any text, and trusts whoever does not exist (ACC-01: a typing error must show)."""
    iam = aws.client("iam")
    iam.create_user(UserName="ada")
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    malformed = {
        "no JSON": "{",
        "nothing": "{}",
        "no principal": policy(assume),
        "an unknown user": trust(f"arn:aws:iam::{CUSTOMER}:user/bob"),
        "an unknown role": trust(f"arn:aws:iam::{INSTALLATION}:role/nobody"),
        "an account of 11 digits": trust("11111111111"),
        "a root of 11 digits": trust("arn:aws:iam::11111111111:root"),
        "a wildcard in an ARN": trust(f"arn:aws:iam::{CUSTOMER}:user/*"),
        "an unknown service": policy({**assume, "Principal": {"Service": "ec2"}}),
        "a resource": policy({**assume, "Principal": "*", "Resource": "*"}),
        "another action": trust(CUSTOMER, action="ec2:RunInstances"),
        "an unknown operator": policy({**assume, "Principal": "*", "Condition": {"StringIs": {"sts:ExternalId": "x"}}}),
    }
    for name, document in malformed.items():
        refused = code_of(iam.create_role, RoleName="r", AssumeRolePolicyDocument=document)
        assert refused == "MalformedPolicyDocument", name
    assert iam.list_roles()["Roles"] == []
    good = [
        trust(CUSTOMER, f"arn:aws:iam::{CUSTOMER}:user/ada", f"arn:aws:iam::{INSTALLATION}:root", "*"),
        policy({**assume, "Principal": {"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}}),
    ]
    for number, document in enumerate(good):
        iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=document)
    changed = code_of(iam.update_assume_role_policy, RoleName="r0", PolicyDocument=malformed["an unknown user"])
    assert changed == "MalformedPolicyDocument"
    long = trust(*[f"{account:012d}" for account in range(1, 150)])
    assert code_of(iam.create_role, RoleName="r", AssumeRolePolicyDocument=long) == "LimitExceeded"


def test_a_permission_policy_must_be_one(aws: AwsWorld) -> None:
    """A policy that the product writes wrongly must not be taken."""
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(CUSTOMER))
    one = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    malformed = {
        "no JSON": "{",
        "no action": policy({"Effect": "Allow", "Resource": "*"}),
        "no resource": policy({"Effect": "Allow", "Action": "s3:GetObject"}),
        "effect in small letters": policy({**one, "Effect": "allow"}),
        "no service": policy({**one, "Action": "GetObject"}),
        "no ARN": policy({**one, "Resource": "bucket"}),
        "a principal": policy({**one, "Principal": "*"}),
        "an unknown operator": policy({**one, "Condition": {"StringIs": {"aws:username": "x"}}}),
        "an unknown element": policy({**one, "Conditions": {}}),
        "one Sid twice": policy({**one, "Sid": "A"}, {**one, "Sid": "A"}),
    }
    for name, document in malformed.items():
        inline = code_of(iam.put_role_policy, RoleName="r", PolicyName="p", PolicyDocument=document)
        managed = code_of(iam.create_policy, PolicyName="p", PolicyDocument=document)
        assert (inline, managed) == ("MalformedPolicyDocument", "MalformedPolicyDocument"), name
    assert iam.list_role_policies(RoleName="r")["PolicyNames"] == []


def test_limits(aws: AwsWorld) -> None:
    """Bare moto takes any number and any length; "IAM and AWS STS quotas"."""
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(CUSTOMER))
    for number in range(10):
        made = iam.create_policy(PolicyName=f"p{number}", PolicyDocument=allow("s3:GetObject"))["Policy"]
        iam.attach_role_policy(RoleName="r", PolicyArn=made["Arn"])
    iam.attach_role_policy(RoleName="r", PolicyArn=made["Arn"])  # attached already: no eleventh
    assert iam.get_policy(PolicyArn=made["Arn"])["Policy"]["AttachmentCount"] == 1
    assert code_of(iam.attach_role_policy, RoleName="r", PolicyArn=SSM) == "LimitExceeded"
    unknown = {"RoleName": "r", "PolicyArn": f"{SSM}2"}
    iam.detach_role_policy(RoleName="r", PolicyArn=made["Arn"])
    assert code_of(iam.attach_role_policy, **unknown) == "NoSuchEntity"

    half = allow("s3:GetObject", resource=f"arn:aws:s3:::bucket/{'x' * 5000}")
    spread = json.dumps(json.loads(half), indent=4)
    iam.put_role_policy(RoleName="r", PolicyName="one", PolicyDocument=spread + " " * 6000)
    iam.put_role_policy(RoleName="r", PolicyName="two", PolicyDocument=half)
    iam.put_role_policy(RoleName="r", PolicyName="two", PolicyDocument=half)  # in place of itself
    third = allow("s3:GetObject")
    assert code_of(iam.put_role_policy, RoleName="r", PolicyName="three", PolicyDocument=third) == "LimitExceeded"
    big = allow("s3:GetObject", resource=f"arn:aws:s3:::bucket/{'x' * 6100}")
    assert code_of(iam.create_policy, PolicyName="big", PolicyDocument=big) == "LimitExceeded"

    iam.create_user(UserName="ada")
    for _ in range(2):
        iam.create_access_key(UserName="ada")
    assert code_of(iam.create_access_key, UserName="ada") == "LimitExceeded"


def test_what_is_in_use_stays(aws: AwsWorld) -> None:
    """A wrong order of cleaning up must fail, the right one must not (ACC-03: nothing is left in IAM)."""
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(CUSTOMER))
    iam.put_role_policy(RoleName="r", PolicyName="inline", PolicyDocument=allow("s3:*"))
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:Get*"), SetAsDefault=True)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    iam.create_instance_profile(InstanceProfileName="ip")
    iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]["AccessKeyId"]
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="ada")
    iam.put_group_policy(GroupName="g", PolicyName="inline", PolicyDocument=allow("s3:*"))

    role, profile = {"RoleName": "r"}, {"InstanceProfileName": "ip"}
    user, group = {"UserName": "ada"}, {"GroupName": "g"}
    named, both, old = {"PolicyArn": arn}, {**profile, **role}, {"PolicyArn": arn, "VersionId": "v1"}
    steps: list[tuple[Callable[..., Any], dict[str, str], str, Callable[..., Any], dict[str, str]]] = [
        (iam.delete_policy, named, "attached", iam.detach_role_policy, {**role, **named}),
        (iam.delete_policy, named, "version", iam.delete_policy_version, old),
        (iam.delete_role, role, "remove roles from", iam.remove_role_from_instance_profile, both),
        (iam.delete_role, role, "delete policies", iam.delete_role_policy, {**role, "PolicyName": "inline"}),
        (iam.delete_user, user, "delete access keys", iam.delete_access_key, {**user, "AccessKeyId": key}),
        (iam.delete_group, group, "remove users", iam.remove_user_from_group, {**user, **group}),
        (iam.delete_group, group, "delete policies", iam.delete_group_policy, {**group, "PolicyName": "inline"}),
    ]  # fmt: skip
    assert code_of(iam.delete_instance_profile, **profile) == "DeleteConflict"
    for delete, told, words, undo, undone in steps:
        with pytest.raises(ClientError, match=words) as refused:
            delete(**told)
        assert refused.value.response["Error"]["Code"] == "DeleteConflict"
        undo(**undone)
        if words == "delete access keys":
            assert code_of(delete, **told) == "DeleteConflict", "it is still in a group"
    assert code_of(iam.remove_role_from_instance_profile, **both) == "NoSuchEntity"
    iam.delete_policy(PolicyArn=arn)
    iam.delete_instance_profile(**profile)
    iam.delete_role(**role)
    iam.delete_user(**user)
    iam.delete_group(**group)
    assert code_of(iam.get_role, **role) == "NoSuchEntity"


def test_the_role_of_a_service(aws: AwsWorld) -> None:
    """Bare moto says EntityAlreadyExists, which the operation's model does not list."""
    iam = aws.client("iam")
    made = iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForEC2Spot"
    assert iam.get_role(RoleName=made["RoleName"])["Role"]["Path"] == "/aws-service-role/spot.amazonaws.com/"
    assert code_of(iam.create_service_linked_role, AWSServiceName="spot.amazonaws.com") == "InvalidInput"
    iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")
    assert code_of(iam.create_service_linked_role, AWSServiceName="autoscaling.amazonaws.com") == "InvalidInput"
    assert code_of(iam.attach_role_policy, RoleName=made["RoleName"], PolicyArn=SSM) == "UnmodifiableEntity"
    assert code_of(iam.delete_role, RoleName=made["RoleName"]) == "UnmodifiableEntity"


def test_a_boundary_must_exist(aws: AwsWorld) -> None:
    """A role that names no policy would be bounded by nothing."""
    iam = aws.client("iam")
    unknown = f"arn:aws:iam::{CUSTOMER}:policy/no"
    document = trust(CUSTOMER)
    told = {"RoleName": "r", "PermissionsBoundary": unknown}
    assert code_of(iam.create_role, AssumeRolePolicyDocument=document, **told) == "InvalidInput"
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)
    assert code_of(iam.put_role_permissions_boundary, **told) == "NoSuchEntity"


def test_a_users_key_works_until_it_is_taken_away(aws: AwsWorld) -> None:
    """ACC-02, ACC-04: keys work everywhere, and keys taken away are told apart from keys that lack a right."""
    iam = aws.client("iam")
    key = make_user(aws, CUSTOMER, "ada", allow("ec2:DescribeVpcs", "iam:*"))
    own, ec2 = aws.client("iam", **key), aws.client("ec2", **key)
    assert own.get_user()["User"]["UserName"] == "ada"
    assert [one["AccessKeyId"] for one in own.list_access_keys()["AccessKeyMetadata"]] == [key["aws_access_key_id"]]
    assert code_of(ec2.describe_vpcs) == ""
    assert code_of(ec2.describe_subnets) == "UnauthorizedOperation"
    named = {"UserName": "ada", "AccessKeyId": key["aws_access_key_id"]}
    iam.update_access_key(**named, Status="Inactive")
    assert code_of(ec2.describe_vpcs) == "AuthFailure"
    assert code_of(own.get_user) == "InvalidClientTokenId"
    iam.update_access_key(**named, Status="Active")
    assert code_of(ec2.describe_vpcs) == ""
    iam.update_user(UserName="ada", NewUserName="eve")
    assert aws.client("sts", **key).get_caller_identity()["Arn"].endswith(":user/eve")
    assert code_of(ec2.describe_vpcs) == ""
    iam.delete_access_key(**{**named, "UserName": "eve"})
    assert code_of(own.get_user) == "InvalidClientTokenId"


def simulate(aws: AwsWorld, *actions: str, **told: Any) -> dict[str, dict[str, Any]]:
    """Return the simulator's results about the role r, by action."""
    source = {"PolicySourceArn": ROLE, **told}
    pages = aws.client("iam").get_paginator("simulate_principal_policy").paginate(ActionNames=list(actions), **source)
    return {result["EvalActionName"]: result for page in pages for result in page["EvaluationResults"]}


def decisions(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the decision for each action."""
    return {action: result["EvalDecision"] for action, result in results.items()}


def test_the_simulator_tells_what_a_role_may(aws: AwsWorld) -> None:
    """ACC-07: bare moto has no simulator at all. Inline and managed policies and the boundary all count."""
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(CUSTOMER))
    tagged = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}}
    document = policy(
        {"Effect": "Allow", "Action": ["ec2:RunInstances", "ec2:CreateVpc"], "Resource": "*"},
        {"Effect": "Allow", "Action": "ec2:Terminate*", "Resource": "arn:aws:ec2:*:*:instance/*", **tagged},
        {"Effect": "Deny", "Action": "ec2:CreateVpc", "Resource": "*"},
    )
    iam.put_role_policy(RoleName="r", PolicyName="inline", PolicyDocument=document)
    arn = iam.create_policy(PolicyName="more", PolicyDocument=allow("s3:GetObject"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    actions = ("ec2:RunInstances", "ec2:CreateVpc", "ec2:DeleteVpc", "s3:GetObject", "iam:PassRole")
    found = simulate(aws, *actions)
    assert list(decisions(found).values()) == ["allowed", "explicitDeny", "implicitDeny", "allowed", "implicitDeny"]
    assert found["s3:GetObject"]["MatchedStatements"] == [
        {"SourcePolicyId": "more", "SourcePolicyType": "user-managed"}
    ]
    assert len(found["ec2:CreateVpc"]["MatchedStatements"]) == 1, "the deny alone"

    instance = f"arn:aws:ec2:us-east-1:{CUSTOMER}:instance/i-1"
    entry = {"ContextKeyName": "aws:ResourceTag/team", "ContextKeyValues": ["red"], "ContextKeyType": "string"}
    asked = {"ResourceArns": [instance, instance.replace("instance/i", "volume/vol")]}
    result = simulate(aws, "ec2:TerminateInstances", **asked)["ec2:TerminateInstances"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["MissingContextValues"] == ["aws:ResourceTag/team"]
    result = simulate(aws, "ec2:TerminateInstances", **asked, ContextEntries=[entry])["ec2:TerminateInstances"]
    by_resource = {told["EvalResourceName"]: told["EvalResourceDecision"] for told in result["ResourceSpecificResults"]}
    assert list(by_resource) == asked["ResourceArns"]
    assert list(by_resource.values()) == ["allowed", "implicitDeny"]
    assert result["EvalDecision"] == "implicitDeny", "the sum of both"
    assert result["EvalResourceName"] not in asked["ResourceArns"], "a pattern, says the API reference"
    alone = simulate(aws, "ec2:TerminateInstances", ResourceArns=[instance], ContextEntries=[entry])
    assert decisions(alone) == {"ec2:TerminateInstances": "allowed"}

    iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary=arn)
    found = simulate(aws, *actions)
    assert list(decisions(found).values()) == [
        "implicitDeny", "explicitDeny", "implicitDeny", "allowed", "implicitDeny",
    ]  # fmt: skip
    assert not found["ec2:RunInstances"]["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]


def test_the_simulator_over_given_policies(aws: AwsWorld) -> None:
    """The product asks of a policy before it is anybody's; what is asked wrongly is refused."""
    iam = aws.client("iam")
    told = {"PolicyInputList": [allow("ec2:Describe*"), allow("iam:GetRole", resource=ROLE)]}
    answer = iam.simulate_custom_policy(ActionNames=["ec2:DescribeVpcs", "iam:GetRole"], ResourceArns=[ROLE], **told)
    results = answer["EvaluationResults"]
    assert [result["EvalDecision"] for result in results] == ["allowed", "allowed"]
    assert results[1]["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.2"
    assert code_of(iam.simulate_custom_policy, ActionNames=["ec2:Describe*"], **told) == "InvalidInput"
    assert code_of(iam.simulate_custom_policy, ActionNames=["ec2:RunInstanze"], **told) == "InvalidInput"
    assert (
        code_of(iam.simulate_custom_policy, ActionNames=["ec2:RunInstances"], PolicyInputList=["{"]) == "InvalidInput"
    )

    asked = {"ActionNames": ["ec2:RunInstances"]}
    session = f"arn:aws:sts::{CUSTOMER}:assumed-role/r/s"
    assert code_of(iam.simulate_principal_policy, PolicySourceArn=ROLE, **asked) == "NoSuchEntity"
    assert code_of(iam.simulate_principal_policy, PolicySourceArn=session, **asked) == "InvalidInput"


def test_the_simulator_answers_in_pages(aws: AwsWorld) -> None:
    """A product that reads the first page only would miss what is missing."""
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(CUSTOMER))
    names = iam.meta.service_model.operation_names[:120]
    actions = [f"iam:{name}" for name in names]
    first = iam.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=actions)
    assert (len(first["EvaluationResults"]), first["IsTruncated"]) == (100, True)
    assert list(simulate(aws, *actions)) == actions


def test_an_organisation_can_forbid_the_question(aws: AwsWorld) -> None:
    """ACC-08: a service control policy binds even a member's root user, and not the installation's account."""
    for account in (CUSTOMER, INSTALLATION):
        aws.client("iam", account).create_role(RoleName="r", AssumeRolePolicyDocument=trust(CUSTOMER))
    aws.settings(scp_denied=["iam:Simulate*", "ec2:RunInstances"])
    with pytest.raises(ClientError, match="with an explicit deny in a service control policy") as refused:
        simulate(aws, "ec2:RunInstances")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    other = aws.client("iam", INSTALLATION)
    source = ROLE.replace(CUSTOMER, INSTALLATION)
    assert code_of(other.simulate_principal_policy, PolicySourceArn=source, ActionNames=["ec2:RunInstances"]) == ""
    aws.settings(scp_denied=["ec2:RunInstances"])
    result = simulate(aws, "ec2:RunInstances")["ec2:RunInstances"]
    assert result["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    assert result["EvalDecision"] == "explicitDeny"
