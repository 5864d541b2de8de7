"""Unpacking an archive that somebody else packed: nothing outside of the tree is touched, and it ends in time.

Links are made when all files stand, so no file is written through one; whether they lead outside is asked of the
whole tree afterwards (`checkout.refuse_links_outside`).
"""

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO

from blocks.errors import SourceRefused
from tasks.allowance import Allowance
from tasks.safe_names import LONGEST_PATH, Places, UnsafeName, parts_of

_PIECE = 1 << 20
_MOST_AT_ONCE = 64 << 20
"""What is read in one piece at most. tarfile and zipfile read names and lists whole, whatever length those claim."""

_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError),
    # Names that are no UTF-8; zipfile's word for a newer format, tarfile's end in headers of headers.
    *(UnicodeDecodeError, NotImplementedError, RecursionError),
)
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCKED = 0x61
"""Flags of a member that is encrypted, or a patch ("APPNOTE.TXT - .ZIP File Format Specification", 4.4.4)."""
_ADVICE = "Pack files, folders and symlinks inside alone, with names relative to one folder."


def unpack(packed: Path, name: str, into: Path, allowance: Allowance) -> None:
    """Unpack an archive.

    Args:
        packed: The archive's file.
        name: Its name, whose end says what it is: .tar.gz, .tgz, .tar or .zip.
        into: A folder with nothing in it.
        allowance: How much may come out of it.

    Raises:
        SourceRefused: It is none, is too much, or holds what may not stand in a tree.
        TimedOut: It took too long.
    """
    tree = _Tree(into, allowance)
    try:
        with packed.open("rb") as file:
            if name.endswith(".zip"):
                _unpack_zip(file, tree)
            elif name.endswith(".tar"):
                _unpack_tar(file, tree)
            else:
                with gzip.GzipFile(fileobj=file) as plain:
                    _unpack_tar(plain, tree)
        tree.make_links()
    except _BROKEN as error:
        raise SourceRefused(
            f"it is no whole archive ({error})", where=allowance.where, advice="Pack and upload it again."
        ) from error
    except UnsafeName as error:
        raise _refused(allowance, str(error)) from error


def _refused(allowance: Allowance, what: str) -> SourceRefused:
    return SourceRefused(f"the archive's member {what}", where=allowance.where, advice=_ADVICE)


class _Tree:
    """What comes out of an archive."""

    def __init__(self, root: Path, allowance: Allowance) -> None:
        self._root = root
        self._places = Places()
        self._links: dict[Path, str] = {}
        self.allowance = allowance

    def folder(self, name: str) -> None:
        self.allowance.thing()
        relative = _without_dots(name)
        if relative:
            (self._root / self._places.folder(relative)).mkdir(parents=True, exist_ok=True)

    def file(self, name: str, content: IO[bytes], *, is_program: bool) -> None:
        path = self._place(name)
        with path.open("xb") as file:
            while piece := content.read(_PIECE):
                self.allowance.spend(len(piece))
                file.write(piece)
        path.chmod(0o755 if is_program else 0o644)

    def again(self, name: str, other: str) -> None:
        """Put a file that stands already there a second time, as a hard link says."""
        source = self._root / "/".join(parts_of(_without_dots(other)))
        if source in self._links or not source.is_file():
            raise UnsafeName(f"{name!r} is a hard link to {other!r}, which is no file before it")
        self.allowance.spend(source.stat().st_size)
        shutil.copy(source, self._place(name))

    def link(self, name: str, target: str) -> None:
        if not target or "\0" in target or len(os.fsencode(target)) > LONGEST_PATH:
            raise UnsafeName(f"{name!r} is a symlink to what is no path")
        self._links[self._place(name)] = target

    def make_links(self) -> None:
        for path, target in self._links.items():
            path.symlink_to(target)

    def _place(self, name: str) -> Path:
        self.allowance.thing()
        path = self._root / self._places.file(_without_dots(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _without_dots(name: str) -> str:
    """Leave out the ``./`` that tar writes before all names of a folder that was packed from inside."""
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name


class _Careful:
    """A file of which nobody reads so much at once that it would not fit into memory, or from before its beginning."""

    def __init__(self, file: BinaryIO | gzip.GzipFile, allowance: Allowance) -> None:
        self._file = file
        self._allowance = allowance

    def read(self, size: int = -1) -> bytes:
        self._allowance.require_time()
        if not -1 <= size <= _MOST_AT_ONCE:
            raise self._senseless()
        found = self._file.read(size if size >= 0 else _MOST_AT_ONCE + 1)
        if len(found) > _MOST_AT_ONCE:
            raise self._senseless()
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise self._senseless()
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def _senseless(self) -> SourceRefused:
        return SourceRefused(
            "the archive's list of members makes no sense", where=self._allowance.where, advice=_ADVICE
        )


def _unpack_tar(file: BinaryIO | gzip.GzipFile, tree: _Tree) -> None:
    careful = _Careful(file, tree.allowance)
    with tarfile.open(fileobj=careful, mode="r:") as tar:  # type: ignore[call-overload]
        for member in tar:
            _unpack_member(tar, member, tree)
        careful.seek(tar.offset)
    # tarfile takes a header that is broken, or not there, for the archive's end.
    if careful.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")
    while piece := careful.read(_PIECE):
        tree.allowance.spend(len(piece))


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, tree: _Tree) -> None:
    if member.size < 0:
        raise UnsafeName(f"{member.name!r} has no size")
    if member.isdir():
        tree.folder(member.name)
    elif member.issym():
        tree.link(member.name, member.linkname)
    elif member.islnk():
        tree.again(member.name, member.linkname)
    elif member.isreg() and (content := tar.extractfile(member)) is not None:
        tree.file(member.name, content, is_program=bool(member.mode & 0o100))
    else:
        raise UnsafeName(f"{member.name!r} is neither file, folder nor link")


def _unpack_zip(file: BinaryIO, tree: _Tree) -> None:
    with zipfile.ZipFile(_Careful(file, tree.allowance)) as packed:
        for member in packed.infolist():
            _unpack_zipped(packed, member, tree)


def _unpack_zipped(packed: zipfile.ZipFile, member: zipfile.ZipInfo, tree: _Tree) -> None:
    # zipfile's own name of it ends before a NUL.
    name, mode = member.orig_filename, member.external_attr >> 16
    if member.flag_bits & _LOCKED or member.compress_type not in _PACKED:
        raise UnsafeName(f"{name!r} is encrypted, or packed in a way that is not read here")
    if name.endswith("/"):
        tree.folder(name.rstrip("/"))
        return
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise UnsafeName(f"{name!r} is neither file, folder nor link")
    with packed.open(member) as content:
        if kind == stat.S_IFLNK:
            tree.link(name, os.fsdecode(content.read(LONGEST_PATH + 1)))
        else:
            tree.file(name, content, is_program=bool(mode & 0o100))
