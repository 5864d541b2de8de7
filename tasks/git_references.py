"""Which reference of a repository was meant. Pure: reads what ``git ls-remote --symref`` wrote."""

import difflib
import re
from dataclasses import dataclass

from blocks.errors import BadInput, SourceRefused
from tasks.source_url import Source, split_reference

ADVERTISED = ("HEAD", "refs/heads/*", "refs/tags/*")
"""What `ls-remote` is asked for."""

_KINDS = ("refs/heads/", "refs/tags/")


@dataclass(frozen=True)
class Target:
    """What to fetch: ``name`` for people, ``object`` for git (a full reference or a commit's 40 digits)."""

    name: str
    object: str

    @property
    def is_commit(self) -> bool:
        """Whether it is a commit, which some servers do not give by itself."""
        return not self.object.startswith("refs/") and self.object != "HEAD"


class References:
    """A repository's branches and tags.

    Args:
        repository: Its URL, for messages.
        listing: What ``git ls-remote --symref -- URL HEAD refs/heads/* refs/tags/*`` wrote.
    """

    def __init__(self, repository: str, listing: str) -> None:
        self._repository = repository
        self._default = ""
        self._commits: dict[str, str] = {}
        for line in listing.splitlines():
            left, _, name = line.partition("\t")
            if left.startswith("ref: ") and name == "HEAD":
                self._default = left.removeprefix("ref: ")
            elif name == "HEAD" or (name.startswith(_KINDS) and not name.endswith("^{}")):
                self._commits[name] = left

    @property
    def names(self) -> frozenset[str]:
        """The short names of all branches and tags."""
        return frozenset(_short(name) for name in self._commits if name != "HEAD")

    def wanted(self, source: Source, reference: str, folder: str) -> tuple[str, str]:
        """Return the reference and folder that URL and parameters name together; both may be empty.

        Raises:
            BadInput: URL and parameter name different ones.
        """
        known = self.names | ({reference} if reference else set())
        by_url, folder_by_url = split_reference(source.rest, known)
        for where, asked, said in (("reference", reference, by_url), ("folder", folder, folder_by_url)):
            if asked and said and asked != said:
                raise BadInput(f"is {asked}, but the source's URL says {said}", where=where, advice="Give one.")
        return reference or by_url, folder or folder_by_url

    def find(self, reference: str) -> Target:
        """Return what a reference stands for: a branch, else a tag, else a commit; empty is the default branch.

        Raises:
            SourceRefused: There is no such reference, with names that are near.
        """
        if not self._commits:
            raise self._refused("the repository is empty", "Push a first commit.")
        reference = reference or self._default or "HEAD"
        for full in (*(kind + reference for kind in _KINDS), reference):
            if full in self._commits:
                return Target(_short(full), full)
        if re.fullmatch(r"[0-9a-fA-F]{40}", reference):
            return Target(reference.lower(), reference.lower())
        if re.fullmatch(r"[0-9a-fA-F]{7,39}", reference):
            return self._abbreviated(reference.lower())
        near = difflib.get_close_matches(reference, self.names, cutoff=0.5)
        raise self._refused(
            f"no branch, tag or commit named {_short(reference)}",
            f"Near: {', '.join(near)}." if near else "Check its name, or leave it out for the default branch.",
        )

    def _abbreviated(self, digits: str) -> Target:
        """A server resolves no short commit id; those of the branches and tags themselves we can."""
        commits = {commit for commit in self._commits.values() if commit.startswith(digits)}
        if len(commits) != 1:
            raise self._refused(
                f"no branch, tag or newest commit of one is named {digits}",
                "For an older commit give all 40 digits: a git server finds it by no fewer.",
            )
        commit = commits.pop()
        return Target(commit, commit)

    def _refused(self, what: str, advice: str) -> SourceRefused:
        return SourceRefused(what, where=self._repository, advice=advice)


def _short(name: str) -> str:
    for kind in _KINDS:
        name = name.removeprefix(kind)
    return name
