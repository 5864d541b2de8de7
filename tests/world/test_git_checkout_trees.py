"""What a checked-out tree may hold, and what may take part in making it: JOB-03, JOB-06, SEC-08."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import BadInput, SourceRefused
from blocks.git_credentials import GitCredentials
from tasks.on_node import tree_hash
from tests.worlds.checkouts import take
from tests.worlds.git_server import GitServer, Repository, git

ADA = GitCredentials(username="ada", token=SecretStr("right-token"))
LOGIN = ("ada", "right-token")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("git")) as running:
        yield running


@pytest.fixture(scope="module")
def pi(server: GitServer) -> Repository:
    repository = server.repository("ada/pi")
    repository.commit({"ex.py": "1"})
    return repository


def test_submodules_come_when_asked_for(server: GitServer, tmp_path: Path) -> None:
    """JOB-03: a private one of the same server, by a relative address; nested; without its git file."""
    part = server.repository("ada/part", login=LOGIN)
    part.commit({"part.py": "part"})
    whole = server.repository("ada/whole", login=LOGIN)
    whole.commit({"ex.py": "1"})
    git("submodule", "add", "-q", str(part.bare), "lib/part", at=whole.work)
    (whole.work / ".gitmodules").write_text('[submodule "lib/part"]\n\tpath = lib/part\n\turl = ../part\n')
    whole.push()
    take(server.url("ada/whole"), tmp_path / "without", credentials=ADA)
    assert list((tmp_path / "without/lib/part").iterdir()) == []
    take(server.url("ada/whole"), tmp_path / "with", submodules=True, credentials=ADA)
    assert [path.name for path in (tmp_path / "with/lib/part").iterdir()] == ["part.py"]


@pytest.mark.parametrize("url", ["ext::sh -c touch% CANARY", "file://HERE"])
def test_a_submodule_of_another_kind_is_refused(server: GitServer, tmp_path: Path, url: str) -> None:
    """SEC-08: what stands in a repository runs nothing and reads no file of ours."""
    canary = tmp_path / "canary"
    whole = server.repository(f"ada/hostile-{url[:3]}")
    here = server.repository(f"ada/here-{url[:3]}")
    commit = here.commit({"a": "a"})
    url = url.replace("CANARY", str(canary)).replace("HERE", str(here.bare))
    whole.work.joinpath(".gitmodules").write_text(f'[submodule "a"]\n\tpath = a\n\turl = "{url}"\n')
    git("update-index", "--add", "--cacheinfo", f"160000,{commit},a", at=whole.work)
    whole.work.joinpath("a").mkdir()
    git("add", ".gitmodules", at=whole.work)
    git("commit", "-q", "-m", "hostile", at=whole.work)
    git("push", "-q", "origin", "HEAD", at=whole.work)
    with pytest.raises(SourceRefused, match="of a kind that is not read"):
        take(whole_url := server.url(f"ada/hostile-{whole.bare.stem[8:]}"), tmp_path / "tree", submodules=True)
    assert whole_url
    assert not canary.exists()


@pytest.mark.parametrize("target", ["/etc/hostname", "../../outside", "../sub/../../outside", "step/step/../../.."])
def test_a_link_that_leaves_the_repository_is_refused(server: GitServer, tmp_path: Path, target: str) -> None:
    """SEC-08: also one that only leaves it through another link."""
    name = f"ada/link-{abs(hash(target))}"
    links = server.repository(name)
    (links.work / "sub").mkdir()
    (links.work / "sub/a").write_text("a")
    (links.work / "sub/step").symlink_to(".")
    (links.work / "sub/out").symlink_to(target)
    links.push()
    with pytest.raises(SourceRefused, match="symlink sub/out leads out of the repository"):
        take(server.url(name), tmp_path / "tree")
    assert list((tmp_path / "tree").iterdir()) == []


def test_links_inside_and_programs_stay_what_they_are(server: GitServer, tmp_path: Path) -> None:
    links = server.repository("ada/links")
    links.work.joinpath("sub").mkdir()
    links.work.joinpath("sub/up").symlink_to("../run.sh")
    links.work.joinpath("loop").symlink_to("loop")
    links.work.joinpath("run.sh").write_text("#!/bin/sh\n")
    links.work.joinpath("run.sh").chmod(0o755)
    links.push()
    take(server.url("ada/links"), tree := tmp_path / "tree")
    assert tree.joinpath("sub/up").readlink() == Path("../run.sh")
    assert os.access(tree / "run.sh", os.X_OK)
    assert tree.joinpath("loop").is_symlink()


@pytest.mark.parametrize("kind", ["work", "bare"])
def test_a_repository_on_this_machine(pi: Repository, tmp_path: Path, kind: str) -> None:
    """JOB-03: only where the caller allows it."""
    url = f"file://{getattr(pi, kind)}"
    commit = git("rev-parse", "main", at=pi.work)
    assert take(url, tmp_path / "tree", reference="main", allow_file=True).commit == commit
    with pytest.raises(BadInput, match="file:// sources are for local clusters only"):
        take(url, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
@pytest.mark.parametrize("bare", [True, False])
def test_a_repository_of_another_user_on_this_machine(tmp_path: Path, bare: bool) -> None:
    theirs = Repository(tmp_path / "their work", tmp_path / "their bare.git")
    commit = theirs.commit({"a": "a"})
    path = theirs.bare if bare else theirs.work
    for entry in (path, *path.rglob("*")):
        os.chown(entry, 65534, 65534)
    assert take(f"file://{path}", tmp_path / "tree", allow_file=True).commit == commit


def test_no_hook_and_no_setting_of_this_machine_takes_part(server: GitServer, pi: Repository, tmp_path: Path) -> None:
    """SEC-08: hooks, filters and helpers that the user's own git would run."""
    home, canary = tmp_path / "home", tmp_path / "canary"
    home.mkdir()
    trap = home / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {canary}\n")
    trap.chmod(0o755)
    hooks = home / "hooks"
    hooks.mkdir()
    hooks.joinpath("post-checkout").symlink_to(trap)
    home.joinpath(".gitconfig").write_text(
        f"[core]\nhooksPath = {hooks}\nfsmonitor = {trap}\n"
        f"[init]\ntemplateDir = {home}\n[credential]\nhelper = {trap}\n"
    )
    program = (
        "import sys; from pathlib import Path; from tasks.checkout import fetch\n"
        "fetch(sys.argv[1], reference='', folder='', submodules=True, credentials=None, into=Path(sys.argv[2]))"
    )
    environment = os.environ | {
        "HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "GIT_SSH_COMMAND": str(trap),
        "GIT_ASKPASS": str(trap), "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(hooks),
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", program, server.url("ada/pi"), tmp_path / "tree"],
        env=environment, check=True, timeout=120, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (tmp_path / "tree/ex.py").read_text() == "1"
    assert not canary.exists()


def test_the_hash_sees_names_contents_links_and_programs(tmp_path: Path) -> None:
    """JOB-06: whatever differs between two trees that a program could see."""

    def tree(name: str) -> Path:
        root = tmp_path / name
        (root / "sub").mkdir(parents=True)
        (root / "a.py").write_text("a")
        (root / "sub/b.py").write_text("b")
        (root / "link").symlink_to("a.py")
        return root

    hashes = {tree_hash.tree_hash(str(tree("one")))}
    assert tree_hash.tree_hash(str(tree("same"))) in hashes
    changes = {
        "content": lambda root: (root / "a.py").write_text("x"),
        "name": lambda root: (root / "a.py").rename(root / "c.py"),
        "place": lambda root: (root / "sub/b.py").rename(root / "b.py"),
        "more": lambda root: (root / "new").touch(),
        "program": lambda root: (root / "a.py").chmod(0o755),
        "target": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("sub")),
        "no link": lambda root: ((root / "link").unlink(), (root / "link").write_text("a.py")),
    }
    for name, change in changes.items():
        change(root := tree(name))
        hashes.add(tree_hash.tree_hash(str(root)))
    assert len(hashes) == 1 + len(changes)
    said = subprocess.run(
        [sys.executable, "-I", "-", tmp_path / "same"],
        input=Path(tree_hash.__file__).read_bytes(), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert said.stdout.decode().strip() in hashes
