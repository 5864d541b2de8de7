"""The forms of all flows: each field refuses what has not its shape."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, validate

from tests.worlds.bad_fields import FIELDS, given, refused

DEPLOYMENTS = yaml.safe_load(Path("deployments/prefect.yaml").read_text())["deployments"]


def form(entrypoint: str) -> dict[str, Any]:
    """The schema of a flow's parameters, as the server gets it."""
    file, _, name = entrypoint.partition(":")
    flow = getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)
    return parameter_schema(flow).model_dump()


FORMS = {told["entrypoint"]: form(told["entrypoint"]) for told in DEPLOYMENTS}
CASES = [(flow, field) for flow, schema in FORMS.items() for field in schema["properties"]]


@pytest.mark.parametrize(("flow", "field"), CASES, ids=[f"{flow.rpartition(':')[2]}-{field}" for flow, field in CASES])
def test_a_form_refuses_what_has_not_the_field_s_shape(flow: str, field: str) -> None:
    """CLU-02, CLU-03, ACC-02: as the server does it when a run is submitted, with the field named."""
    schema = FORMS[flow]
    validate(given(schema), schema, raise_on_error=True)
    values = refused(field, schema)
    assert values
    for value in values:
        with pytest.raises(ValidationError, match=field):
            validate({**given(schema), field: value}, schema, raise_on_error=True)


def test_no_value_is_refused_of_a_field_that_is_gone() -> None:
    """What nobody tries proves nothing."""
    assert {field for _, field in CASES} == FIELDS
