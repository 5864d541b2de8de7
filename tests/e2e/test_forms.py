"""Every field of every form is submitted with values that it must not take."""

from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectHTTPStatusError

from tests.worlds.aws_world import AwsWorld
from tests.worlds.bad_fields import FIELDS, given, refused
from tests.worlds.prefect_server import PrefectServer


def refusal(client: SyncPrefectClient, deployment: DeploymentResponse, told: dict[str, Any]) -> str:
    """What the server answers to a run with these parameters; empty where it takes them."""
    try:
        client.create_flow_run_from_deployment(deployment.id, parameters=told)
    except PrefectHTTPStatusError as error:
        return str(error.response.json()["detail"])
    return ""


def test_each_field_of_each_form_refuses_what_it_cannot_take(house: PrefectServer, aws: AwsWorld) -> None:
    """CLU-02, CLU-03, ACC-02: with the field named, before there is a run, and before AWS is asked anything."""
    taken, seen = [], set()
    with get_client(sync_client=True) as client:
        runs = {run.id for run in client.read_flow_runs(limit=200)}
        for deployment in client.read_deployments(limit=200):
            schema = deployment.parameter_openapi_schema or {}
            flow = client.read_flow(deployment.flow_id).name
            for field in schema.get("properties", {}):
                seen.add(field)
                # All of them are tried without a server, in tests/unit.
                value = refused(field, schema)[0]
                said = refusal(client, deployment, given(schema) | {field: value})
                if field not in said:
                    taken.append(f"{flow}: {field}={value!r}: {said or 'taken'}")
        assert {run.id for run in client.read_flow_runs(limit=200)} == runs
    assert taken == []
    assert seen == FIELDS
    assert aws.calls() == []
