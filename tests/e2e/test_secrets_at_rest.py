"""SEC-01: what lies on the disk tells no secret without the key, and `make rotate-key` changes the key.

One house of its own: opened once, closed when the first test needs that.
"""

import json
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from prefect.blocks.system import Secret
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.errors import WrongState
from blocks.git_credentials import GitCredentials
from deployments.asking import ask
from deployments.key_file import only_user
from deployments.settings import ROOT, server_environment
from tests.worlds.flow_runs import wait_until
from tests.worlds.postgres import postgres
from tests.worlds.prefect_server import PrefectServer, living_in, new_house
from tests.worlds.secrets_at_rest import documents, files_with, forms, opened, slices
from tests.worlds.sudden_death import Changes, changes

CANARIES = {name: f"canary+{name}/{secrets.token_hex(16)}" for name in ("plain", "git", "aws")}
BYTES = [canary.encode() for canary in CANARIES.values()]


def key_file(house: PrefectServer) -> Path:
    return house.house.folder / "encryption.key"


def database(house: PrefectServer) -> Path | str:
    """Where its documents are: PostgreSQL's address, or the file."""
    return house.extra.get("PREFECT_SERVER_DATABASE_CONNECTION_URL") or house.house.folder / "prefect.db"


def keep_canaries(house: PrefectServer) -> None:
    with living_in(house):
        Secret(value=CANARIES["plain"] + " as it was").save("plain")
        Secret(value=CANARIES["plain"]).save("plain", overwrite=True)
        GitCredentials(username="ada", token=SecretStr(CANARIES["git"])).save("git")
        AwsCredentials(aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key=SecretStr(CANARIES["aws"])).save("aws")


def canaries_read(house: PrefectServer) -> dict[str, str]:
    """The canaries as a flow of the house reads them."""
    with living_in(house):
        aws = AwsCredentials.load("aws").aws_secret_access_key
        return {
            "plain": Secret.load("plain").get(),
            "git": GitCredentials.load("git").token.get_secret_value(),
            "aws": aws.get_secret_value() if aws else "",
        }


def require_one_key(house: PrefectServer, *old: str) -> None:
    """The file has one new key, which opens every document in the database; no old one opens any."""
    encrypted = documents(database(house))
    [key] = key_file(house).read_text().split()
    assert set(CANARIES) < set(encrypted)
    clear = opened(key, encrypted)
    assert set(clear) == set(encrypted)
    assert all(CANARIES[name] in clear[name] for name in CANARIES)
    assert key not in old
    assert [opened(one, encrypted) for one in old] == [{} for _ in old]


@pytest.fixture(scope="module")
def own_house() -> Iterator[PrefectServer]:
    """A house with secrets in it. Its key was changed before there was anything to encrypt."""
    with new_house() as server:
        changed = server.command("rotate_key")
        assert (changed.returncode, changed.stderr) == (0, "")
        server.up()
        keep_canaries(server)
        yield server


@contextmanager
def serving(house: PrefectServer) -> Iterator[None]:
    """A house's server alone, which a house with another key could not even register with."""
    environment = house.environment | server_environment(house.house) | dict(house.extra)
    argv = [sys.executable, "-m", "deployments.pages"]
    with (
        (house.home / "pages.log").open("w") as log,
        subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until(lambda: ask(house.house, "/health") is True, what="the server", limit_s=120)
            yield
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def stolen(own_house: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all its files, taken while it was open and before its key was changed."""
    return Path(shutil.copytree(own_house.home, tmp_path_factory.mktemp("stolen") / "home"))


def test_the_scan_sees_what_it_looks_for(tmp_path: Path) -> None:
    """Without it, a scan that finds nothing says nothing."""
    for number, form in enumerate(sorted(forms(BYTES[0]))):
        (tmp_path / str(number)).write_bytes(b"before" + form + b"after")
    assert len(files_with(tmp_path, BYTES[0])) == len(forms(BYTES[0])) >= 5
    assert files_with(tmp_path, BYTES[1]) == set()


def test_the_files_without_the_key_tell_nothing(own_house: PrefectServer, stolen: Path) -> None:
    """SEC-01: in no file of the home, in clear or in base64; with the key file, every secret is there."""
    assert canaries_read(own_house) == CANARIES
    assert (stolen / "server" / "prefect.db-wal").stat().st_size > 0
    assert files_with(stolen, *BYTES) == set()
    key = (stolen / "server" / "encryption.key").read_text().strip()
    assert files_with(stolen, key.encode()) == {"server/encryption.key"}
    clear = opened(key, documents(stolen / "server" / "prefect.db"))
    assert all(CANARIES[name] in clear[name] for name in CANARIES)


def test_a_server_with_another_key_tells_nothing(stolen: Path) -> None:
    """SEC-01: somebody opens the stolen database in a house of their own."""
    with new_house() as thief:
        thief.house.folder.mkdir(parents=True)
        for file in (stolen / "server").glob("prefect.db*"):
            shutil.copy(file, thief.house.folder)
        with serving(thief):
            kinds = {kind["slug"] for kind in ask(thief.house, "/block_types/filter", {})}
            assert {"secret", "git-credentials", "aws-credentials"} <= kinds, "it is not the stolen database"
            answers = [ask(thief.house, "/block_documents/filter", {"include_secrets": True})]
            for kind, name in (("secret", "plain"), ("git-credentials", "git"), ("aws-credentials", "aws")):
                path = f"/block_types/slug/{kind}/block_documents/name/{name}?include_secrets=true"
                answers.append(ask(thief.house, path))
        assert answers == [None] * 4
        assert files_with(thief.home, *BYTES) == set()


def test_nobody_else_works_with_the_key_while_the_server_does(own_house: PrefectServer) -> None:
    """What a server wrote with the old key after a change would be lost."""
    with pytest.raises(WrongState, match="another server of this house"), only_user(own_house.house, limit_s=0):
        pass


def test_the_key_of_another_server_is_not_changed(own_house: PrefectServer) -> None:
    key, server = key_file(own_house).read_text(), own_house.server.find()
    refused = own_house.command("rotate_key", PREFECT_API_URL="http://prefect.example.org/api")
    assert refused.returncode == 1
    assert refused.stderr.startswith("rotate-key: PREFECT_API_URL: it names another server (http://prefect.example")
    assert refused.stderr.count("\n") == 1
    assert (key_file(own_house).read_text(), own_house.server.find()) == (key, server)


def test_an_open_house_gets_a_new_key(own_house: PrefectServer, stolen: Path) -> None:
    """SEC-01: rotate and read; the old key opens nothing, and the house is open again at the same address."""
    old = key_file(own_house).read_text().strip()
    remains = [piece for text in documents(stolen / "server" / "prefect.db").values() for piece in slices(text)]
    changed = own_house.command("rotate_key", GROUNDWORK_PORT="")
    assert (changed.returncode, changed.stderr) == (0, "")
    assert f"Starting Prefect's server on {own_house.house.url} ..." in changed.stdout
    assert canaries_read(own_house) == CANARIES
    require_one_key(own_house, old)
    assert files_with(own_house.home, old.encode(), *BYTES) == set()
    now = b"".join(file.read_bytes() for file in own_house.house.folder.glob("prefect.db*"))
    assert len(remains) > 20
    assert [piece for piece in remains if piece in now] == []


@contextmanager
def copy_of(house: PrefectServer) -> Iterator[PrefectServer]:
    """The house again, closed, for tests that do to its database what nobody should."""
    assert house.command("down").returncode == 0
    with new_house() as copy:
        shutil.copytree(house.house.folder, copy.house.folder)
        yield copy


def test_a_document_that_no_key_opens_is_named(own_house: PrefectServer) -> None:
    """Its key may still be somewhere: nothing is changed."""
    with copy_of(own_house) as copy:
        before = key_file(copy).read_text()
        foreign = json.dumps(Fernet(Fernet.generate_key()).encrypt(b"{}").decode())
        with closing(sqlite3.connect(copy.house.folder / "prefect.db")) as changed, changed:
            changed.execute("update block_document set data = ? where name = 'git'", [foreign])
        encrypted = documents(database(copy))
        refused = copy.command("rotate_key")
        assert refused.returncode == 1
        assert "block document Git credentials/git: no key that we have opens it" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert (key_file(copy).read_text(), documents(database(copy))) == (before, encrypted)


def test_what_was_deleted_before_goes_too(own_house: PrefectServer) -> None:
    """SEC-01: SQLite leaves deleted rows in its file; the old key would open them."""
    with copy_of(own_house) as copy:
        file = copy.house.folder / "prefect.db"
        text = documents(file)["git"]
        with closing(sqlite3.connect(file)) as changed:
            changed.execute("pragma secure_delete = off")
            with changed:
                changed.execute("create table deleted as select data from block_document, block_type")
            with changed:
                changed.execute("drop table deleted")
        assert text.encode() in file.read_bytes()
        assert copy.command("rotate_key").returncode == 0
        assert [piece for piece in slices(text) if piece in file.read_bytes()] == []


def die_at_every_step(house: PrefectServer, dying: Changes) -> set[str]:
    """Kill a change of key at its first step, finish it, kill the next one at its second, and so on; all the steps."""
    seen: set[str] = set()
    for number in range(1, 200):
        before = key_file(house).read_text().split()
        code, steps = dying.do(f"change {number}")
        seen |= set(steps)
        if code == 0:
            require_one_key(house, *before)
            return seen
        assert code == -9, steps
        encrypted = documents(database(house))
        whole = [key for key in key_file(house).read_text().split() if len(opened(key, encrypted)) == len(encrypted)]
        assert len(whole) == 1, f"after {steps[-1]}, the step {number}, the keys that open all are {len(whole)}"
        code, again = dying.do("change" if number % 2 else "settle")
        assert code == 0, again
        [now] = key_file(house).read_text().split()
        require_one_key(house, *({*whole, *before} - {now}))
    raise AssertionError("a change of key has no end")


def test_a_change_that_dies_at_any_step_loses_nothing(own_house: PrefectServer) -> None:
    """SEC-01: kill -9 between any two steps, then the command again, or what the server does before it serves.

    At the end the house is opened in the worst state of all: three keys in the file, and the middle one opens.
    """
    assert own_house.command("down").returncode == 0
    with changes(own_house) as dying:
        seen = die_at_every_step(own_house, dying)
        assert {"open encryption.draft", "os.rename encryption.draft", "begin", "UPDATE", "commit", "VACUUM"} <= seen
        first = key_file(own_house).read_text().split()
        assert dying.do("change VACUUM")[0] == -9
        middle = key_file(own_house).read_text().split()
        assert dying.do("change UPDATE")[0] == -9
    keys = key_file(own_house).read_text().split()
    assert (len(keys), keys[:2], keys[:1]) == (3, middle, first)
    encrypted = documents(database(own_house))
    assert [len(opened(key, encrypted)) for key in keys] == [0, len(encrypted), 0]
    own_house.up()
    assert canaries_read(own_house) == CANARIES
    require_one_key(own_house, *keys[:2])


def test_the_same_with_postgresql() -> None:
    """SEC-01: the command changes the key there too, and a change that dies at any step loses nothing."""
    with postgres() as url, new_house(PREFECT_SERVER_DATABASE_CONNECTION_URL=url) as house:
        house.house.folder.mkdir(parents=True)
        with serving(house), living_in(house):
            keep_canaries(house)
            Secret(value="another").save("beside")
        old = key_file(house).read_text().strip()
        assert set(CANARIES) < set(opened(old, documents(url)))
        changed = house.command("rotate_key")
        assert (changed.returncode, changed.stderr) == (0, "")
        require_one_key(house, old)
        assert files_with(house.home, *BYTES) == set()
        with changes(house) as dying:
            assert {"UPDATE", "commit", "VACUUM"} <= die_at_every_step(house, dying)
