"""The timetable: every flow is deployed once, with a form that people can fill in."""

import ast
import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from blocks.errors import BadInput
from deployments.detached import Detached, start_time
from deployments.key_file import encryption_keys
from deployments.register import entrypoints
from deployments.settings import NOBODY, ROOT, House, client_environment, house, server_environment

FILE = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())
DEPLOYMENTS: list[dict[str, Any]] = FILE["deployments"]
ENTRYPOINTS = [str(deployment["entrypoint"]) for deployment in DEPLOYMENTS]


def flows() -> dict[str, str]:
    """Entrypoint and name of every flow in flows/, as its decorator says."""
    found = {}
    for file in sorted((ROOT / "flows").glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
                named = {word.arg: word.value for word in decorator.keywords} if isinstance(decorator, ast.Call) else {}
                if isinstance(node, ast.FunctionDef) and isinstance(named.get("name"), ast.Constant):
                    found[f"flows/{file.name}:{node.name}"] = str(named["name"].value)
    return found


def load(entrypoint: str) -> Flow[..., Any]:
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        return load_flow_from_entrypoint(entrypoint)
    finally:
        os.chdir(here)


def test_every_flow_has_exactly_one_deployment() -> None:
    """PRJ-20: `<flow>/on-demand`, or `daily` where it has its timetable; the server checks the parameters of both."""
    assert sorted(ENTRYPOINTS) == sorted(flows())
    assert entrypoints() == set(ENTRYPOINTS)
    for deployment in DEPLOYMENTS:
        assert deployment["name"] == ("daily" if deployment.get("schedules") else "on-demand")
        assert deployment["enforce_parameter_schema"] is True
        assert deployment["work_pool"] == {"name": "groundwork"}
        assert deployment["description"].strip()
        assert deployment["tags"]


def test_a_flow_is_named_as_its_function() -> None:
    for entrypoint, name in flows().items():
        assert entrypoint.rpartition(":")[2] == name.replace("-", "_")


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_parameter_explains_itself(entrypoint: str) -> None:
    """OPS-10, PRJ-20: the form has a help text for each, no secret, and no shape that Prefect's form renders badly."""
    flow = load(entrypoint)
    schema = parameter_schema(flow).model_dump()
    for name, parameter in schema["properties"].items():
        assert parameter.get("description"), name
        assert parameter["title"], name
    assert '"password"' not in json.dumps({name: shape.get("format") for name, shape in schema["properties"].items()})
    assert '"discriminator"' not in json.dumps(schema, default=str)
    assert flow.description


def test_runs_find_the_house_wherever_it_stands() -> None:
    """No path of any machine in the file: it is filled in when it is deployed."""
    assert FILE["pull"] == [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ here.stdout }}"}}]
    assert FILE["build"][0]["prefect.deployments.steps.run_shell_script"]["id"] == "here"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "gw"))
    monkeypatch.setenv("GROUNDWORK_PORT", "4999")
    return house()


def test_another_prefects_settings_do_not_reach_ours(place: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPS-21 too: what phones home is off in every process."""
    monkeypatch.setenv("PREFECT_API_KEY", "theirs")
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg://u:p@db/prefect")
    monkeypatch.setenv("NO_PROXY", "intranet.example.org")
    client, server = client_environment(place), server_environment(place)
    assert "PREFECT_API_KEY" not in client | server
    assert client["PREFECT_API_URL"] == "http://127.0.0.1:4999/api"
    assert client["NO_PROXY"] == "127.0.0.1,localhost,intranet.example.org"
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in client
    assert server["PREFECT_SERVER_DATABASE_CONNECTION_URL"].startswith("postgresql")
    assert server["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem")
    for environment in (client, server):
        assert environment["DO_NOT_TRACK"] == "1"
        assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_clients_of_our_server_trust_nobody(place: House) -> None:
    """They read one certificate of nobody's, not all authorities of the internet for each client that is made."""
    trusted = ssl.create_default_context(cafile=client_environment(place)["PREFECT_API_SSL_CERT_FILE"])
    assert trusted.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 0}
    [nobody] = x509.load_pem_x509_certificates(NOBODY.read_bytes())
    assert nobody.not_valid_after_utc.year == 1970


def test_the_encryption_key_is_made_once(place: House) -> None:
    [key] = encryption_keys(place)
    assert encryption_keys(place) == [key]
    assert (place.folder / "encryption.key").stat().st_mode & 0o777 == 0o600
    assert key not in str(server_environment(place))


@pytest.mark.parametrize("wrong", ["0", "65536", "-1", "http", "٤٢٠٠"])
def test_no_port(place: House, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("GROUNDWORK_PORT", wrong)
    with pytest.raises(BadInput, match="GROUNDWORK_PORT"):
        house()


def test_a_process_is_told_by_its_start_time(tmp_path: Path) -> None:
    """A note of a process that is gone, of another boot, or half written is no process."""
    note = tmp_path / "x.json"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    mine = {"pid": os.getpid(), "started": start_time(os.getpid()), "boot": boot}
    note.write_text(json.dumps(mine))
    assert Detached("x", tmp_path).find() is not None
    for other in ({"started": 1}, {"boot": "another"}, {"pid": 2**22 + 1}):
        note.write_text(json.dumps(mine | other))
        assert Detached("x", tmp_path).find() is None
    note.write_text('{"pid": 1')
    assert Detached("x", tmp_path).find() is None
