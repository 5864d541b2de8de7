"""What people type about AWS accounts (ACC-05), and secrets that an account's block does not show (ACC-15)."""

import inspect
import json
import logging
import re
import traceback

import pytest
from prefect import flow
from prefect_aws import AwsCredentials
from pydantic import SecretStr, TypeAdapter, ValidationError

from blocks import names
from blocks.aws_account import (
    AwsAccount,
    Feature,
    Finding,
    Variant,
    completed,
    require_lasting_keys,
    require_same_account,
)
from blocks.errors import BadInput

ARN = "arn:aws:iam::222222222222:role/groundwork-access"
CANARY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY"

GOOD: dict[object, list[str]] = {
    names.AwsAccountId: ["222222222222", "000000000000", "2222-2222-2222"],
    names.RoleArn: [
        ARN,
        "arn:aws-cn:iam::222222222222:role/r",
        "arn:aws-us-gov:iam::222222222222:role/r",
        "arn:aws:iam::222222222222:role/teams/data/r",
        "arn:aws:iam::222222222222:role/" + "r" * 64,
        "arn:aws:iam::222222222222:role/a_+=,.@-b",
    ],
    names.RoleArnOrNone: ["", ARN],
    names.RoleName: ["groundwork-access", "r" * 64, "a_+=,.@-b"],
    names.Region: ["us-east-1", "ap-southeast-5", "us-gov-west-1", "il-central-1", "eusc-de-east-1", "us-isob-east-1"],
    names.VpcId: ["vpc-1a2b3c4d", "vpc-0123456789abcdef0"],
    names.VpcIdOrNone: ["", "vpc-1a2b3c4d"],
    names.InstanceProfileOrNone: ["", "nodes", "p" * 128],
    names.AccountName: ["prod", "team-1"],
}
BAD: dict[object, list[object]] = {
    names.AwsAccountId: [
        "",
        "22222222222",
        "2222222222222",
        "22222222222a",
        " 222222222222",
        "222222222222\n",
        "22-2222222222",
        "\uff12" * 12,
        222222222222,
    ],
    names.RoleArn: [
        "",
        "groundwork-access",
        "arn:aws:iam::222222222222:user/ann",
        "arn:aws:iam::222222222222:root",
        "arn:aws:iam::22222222222:role/r",
        "arn:aws:iam:us-east-1:222222222222:role/r",
        "arn:aws:sts::222222222222:assumed-role/r/s",
        "arn:aws:iam::222222222222:role/",
        "arn:aws:iam::222222222222:role/a b",
        "arn:aws:iam::222222222222:role/" + "r" * 65,
        f"{ARN}\n",
        f" {ARN}",
        f"{ARN}; rm -rf /",
        "arn:evil:iam::222222222222:role/r",
        "arn:aws:iam::222222222222:role/é",
    ],
    names.RoleArnOrNone: ["none", "arn:aws:iam::1:role/r"],
    names.RoleName: ["", "r" * 65, "a b", "a/b", "é", "a\n"],
    names.Region: ["", "useast1", "us-east", "US-EAST-1", "us-east-1a", "us-east-0", "us_east_1", "us-east-1\n", "*"],
    names.VpcId: ["", "vpc-", "vpc-1", "vpc-1A2B3C4D", "subnet-1a2b3c4d", "vpc-1a2b3c4d5", "vpc-1a2b3c4d\n"],
    names.VpcIdOrNone: ["none", "vpc-"],
    names.InstanceProfileOrNone: ["p" * 129, "a b", "arn:aws:iam::222222222222:instance-profile/nodes"],
    names.AccountName: ["", "Prod", "a_b", "-a"],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in GOOD.items() for value in values])
def test_good_values_pass(kind: object, value: str) -> None:
    """ACC-05: a real role with a path, or a new region, would be refused at the door."""
    assert TypeAdapter(kind).validate_python(value).replace("-", "") == value.replace("-", "")


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in BAD.items() for value in values])
def test_bad_values_are_refused(kind: object, value: object) -> None:
    """ACC-05: what is wrong reaches AWS, and fails there minutes later in other words."""
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("kind", list(GOOD))
def test_the_run_form_checks_the_same(kind: object) -> None:
    """The form's browser and Prefect's server check the schema's pattern, in other dialects: no look-around, no class
    that means more letters in one of them."""
    pattern = TypeAdapter(kind).json_schema()["pattern"]
    assert not re.search(r"\(\?|\\[wdspb]", pattern)
    assert re.search(r"(?a)^\^.*\$$", pattern)
    ecma = re.compile(pattern.removesuffix("$") + r"\Z")
    assert [value for value in GOOD[kind] if not ecma.search(value)] == []
    assert [value for value in BAD[kind] if isinstance(value, str) and ecma.search(value)] == []


def test_prefect_refuses_a_bad_field_and_names_it() -> None:
    """ACC-05: a flow's parameters are checked before it runs, and reach it without the dashes."""

    @flow
    def onboard(account_id: names.AwsAccountId, role_arn: names.RoleArn, region: names.Region = "us-east-1") -> None:
        raise AssertionError("it must not run")

    from prefect.exceptions import ParameterTypeError

    good = {"account_id": "2222-2222-2222", "role_arn": ARN, "region": "us-east-1"}
    assert onboard.validate_parameters(good)["account_id"] == "222222222222"
    for field, value in (("account_id", "12"), ("role_arn", "arn:aws:iam::2:role/r"), ("region", "Mars")):
        with pytest.raises(ParameterTypeError, match=field):
            onboard.validate_parameters(good | {field: value})


@pytest.mark.parametrize("account_id", ["333333333333", "3333-3333-3333"])
def test_the_roles_account_must_be_the_one_entered(account_id: str) -> None:
    """ACC-05: a role of another account would be connected under this one's name."""
    with pytest.raises(BadInput) as caught:
        require_same_account(account_id, ARN)
    assert caught.value.where == "role_arn"
    assert "222222222222" in str(caught.value)
    assert account_id in str(caught.value)


def test_the_same_account_passes() -> None:
    """The two ways to write an account id are one account."""
    require_same_account("222222222222", ARN)
    require_same_account("2222-2222-2222", ARN)


def test_features_are_completed_and_in_order() -> None:
    """A permission policy without the first two statements would make nothing."""
    every = completed(Variant.AUTOMATED, [Feature.SPOT, Feature.EFS])
    assert every == [Feature.CLUSTERS, Feature.NETWORKS, Feature.EFS, Feature.SPOT]
    assert completed(Variant.RESTRICTED, [Feature.PORTS, Feature.PORTS]) == [Feature.CLUSTERS, Feature.PORTS]
    with pytest.raises(BadInput, match="features"):
        completed(Variant.RESTRICTED, [Feature.NETWORKS])


def test_every_feature_has_its_price() -> None:
    """A feature without one cannot be offered for removal."""
    assert len({feature.price for feature in Feature}) == len(Feature)


def keys(**changed: object) -> AwsCredentials:
    told: dict[str, object] = {"aws_access_key_id": "AKIACANARY", "aws_secret_access_key": SecretStr(CANARY)}
    return AwsCredentials(**(told | changed))


@pytest.mark.parametrize(
    "given",
    [
        keys(aws_access_key_id=None),
        keys(aws_secret_access_key=None),
        keys(aws_session_token=CANARY),
        AwsCredentials(profile_name="default"),
    ],
    ids=["no id", "no secret", "a session's", "a profile"],
)
def test_keys_that_cannot_be_kept_are_refused(given: AwsCredentials) -> None:
    """A session's keys end by themselves, and prefect_aws shows their token in clear (ACC-15)."""
    with pytest.raises(BadInput) as caught:
        require_lasting_keys(given)
    assert caught.value.where == "access_keys"
    assert CANARY not in repr(caught.value)


def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """ACC-15: repr, str, dumps, schema, logs and the traceback of an exception that holds the block."""
    account = AwsAccount(
        account_id="222222222222",
        external_id="id-1",
        access_keys=keys(),
        findings=[Finding(subject="identity", state="good", text="")],
    )
    shown = [
        repr(account),
        str(account),
        f"{account}",
        json.dumps(account.model_dump(mode="json")),
        repr(account.model_dump()),
    ]
    shown.append(json.dumps(AwsAccount.model_json_schema()))
    error = ValueError(account, account.access_keys)
    logging.getLogger("groundwork").error("failed with %r", account, exc_info=error)
    shown += ["".join(traceback.format_exception(error)), repr(error), caplog.text]
    with pytest.raises(ValidationError) as refused:
        AwsAccount(external_id="id-1", access_keys=CANARY)
    shown.append(str(refused.value))
    assert "AKIACANARY" in shown[0], "the keys are not in what was looked at"
    assert [text for text in shown if CANARY in text] == []
    assert "access_keys.aws_secret_access_key" in AwsAccount.model_json_schema()["secret_fields"]


def test_no_field_of_the_account_is_a_secret_in_clear() -> None:
    """ACC-15: keys stand in the nested block alone."""
    fields = set(AwsAccount.model_fields)
    assert {field for field in fields if re.search(r"secret|token|password", field)} == set()
    assert "access_keys" in fields
    assert inspect.getdoc(AwsAccount)
