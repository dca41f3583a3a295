"""N-MNIST from its publisher: fetched in pieces, checked, and unpacked as a whole or not at all.

Whatever interrupts a download, what has come is kept: in ``NMNIST/train.zip.part`` at first, in
``train.zip`` when it is all there. ``Train/`` appears when its last recording is unpacked. tonic,
whose names these are, finds all of it and fetches nothing again.
"""

import hashlib
import os
import re
import shutil
import zipfile
import zlib
from contextlib import suppress
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from course_lib.events import folders
from course_lib.events.files import cache_folder, progress_bar, try_lock

FILES = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files"
#: address, name and MD5 of each archive, as in ``tonic.datasets.NMNIST``
ARCHIVES = {
    "Train": (
        f"{FILES}/39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
        "train.zip",
        "20959b8e626244a1b502305a9e6e2031",
    ),
    "Test": (
        f"{FILES}/05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
        "test.zip",
        "69ca8762b2fe404d9b9bad1103e97832",
    ),
}
SECONDS = 60  # without a byte, after which a connection counts as lost
TRIES = 20  # of an archive, as long as each brings something
MOST_FETCHED, MOST_UNPACKED = 1 << 31, 1 << 32  # bytes; the larger archive has about 1 GB


def download(folder: str | os.PathLike | None = None) -> folders.Recordings:
    """Download N-MNIST (about 1.2 GB, CC BY-SA 4.0; 3 GB of disk in all), or find it.

    Args:
        folder: where ``NMNIST/`` is, or is to be; default: the user's cache folder.

    Raises:
        FileNotFoundError: it could not be had; the message says why and what to do.
        ValueError: another process is downloading to the same folder.
    """
    folder = Path(folder).expanduser() if folder is not None else cache_folder()
    home, there = folder / "NMNIST", (0, 0)
    wanted = (folders.FULL_TRAIN, folders.FULL_TEST)
    with suppress(FileNotFoundError):
        found = folders.find_recordings(folder)
        home, there = found.folder, (len(found.train), len(found.test))
        if there == wanted:
            return found
    try:
        if any(has not in (0, all_of_it) for has, all_of_it in zip(there, wanted, strict=True)):
            raise FileNotFoundError(
                f"{home} holds {there[0]} + {there[1]} recordings, expected {wanted[0]} + "
                f"{wanted[1]}: an interrupted download. Move it away first"
            )
        home.mkdir(parents=True, exist_ok=True)
        with open(home / ".lock", "w", encoding="utf-8") as lock:
            if not try_lock(lock):
                raise ValueError(f"another process is downloading N-MNIST to {home}; wait for it")
            bring(home, there, wanted)
    except (OSError, HTTPException, zipfile.BadZipFile, zlib.error, EOFError) as error:
        reason = " ".join(str(error).split())
        if isinstance(error, HTTPException) or not reason:
            reason = f"the connection broke off, or was to no web server ({error!r})"
        raise FileNotFoundError(
            f"N-MNIST could not be downloaded: {reason}. Try again: what has come is kept. Or "
            "fetch Train.zip and Test.zip by hand (https://www.garrickorchard.com/datasets/n-mnist)"
            f", put them into {home} and try again; or use the saccade digits, which need no "
            "download."
        ) from error
    return folders.find_recordings(folder)


def bring(home: Path, there: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Fetch and unpack what is not there of Train/ and Test/."""
    for (name, (url, file, md5)), has, count in zip(ARCHIVES.items(), there, wanted, strict=True):
        if has != count:
            by_hand = [path for path in home.iterdir() if path.name.lower() == file]
            archive = by_hand[0] if by_hand else home / file
            fetch(url, archive, md5)
            unpack(archive, home, name, count)


def fetch(url: str, path: Path, md5: str) -> None:
    """Bring the file of this checksum to ``path``, going on where an earlier try was cut short."""
    part = path.with_name(f"{path.name}.part")
    if checksum(path) == md5:
        return
    for _ in range(TRIES):
        before = size(part)
        if checksum(part) == md5:
            break
        try:
            receive(url, part)
            break
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError) and error.code == 416 and before:
                part.unlink()  # more than the whole file: begin anew
            elif size(part) <= before:
                raise
    if checksum(part) != md5:
        part.unlink(missing_ok=True)
        raise OSError(f"{path.name} has a wrong checksum: it is damaged, or another file")
    part.replace(path)


def receive(url: str, part: Path) -> None:
    """Append to ``part`` what is missing of the file behind the address."""
    from tqdm.auto import tqdm

    have = size(part)
    headers = {"User-Agent": "spikes-without-backprop"}
    headers |= {"Range": f"bytes={have}-"} if have else {}
    with urlopen(Request(url, headers=headers), timeout=SECONDS) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise OSError("the server sent a web page in place of the archive; a proxy's, perhaps")
        have = have if answer.status == 206 else 0  # some servers begin anew
        with (
            part.open("ab" if have else "wb") as stream,
            tqdm(desc=part.stem, initial=have, total=have + (answer.length or 0) or None,
                 unit="B", unit_scale=True) as bar,
        ):  # fmt: skip
            while data := answer.read(1 << 20):
                if stream.tell() + len(data) > MOST_FETCHED:
                    raise OSError(f"{part.stem} does not end; it is another file")
                stream.write(data)
                bar.update(len(data))
        if answer.length:
            raise IncompleteRead(b"", answer.length)


def unpack(archive: Path, home: Path, name: str, count: int) -> None:
    """Make ``home``/Train or Test, of exactly so many recordings, from an archive."""
    draft = home / f".{name}.unpacking"
    shutil.rmtree(draft, ignore_errors=True)  # of a killed process
    try:
        with zipfile.ZipFile(archive) as packed:
            named = re.compile(rf"{name}/([0-9])/([0-9]+\.bin)")
            files = {m: found for m in packed.infolist() if (found := named.fullmatch(m.filename))}
            if len(files) != count or sum(member.file_size for member in files) > MOST_UNPACKED:
                raise OSError(f"{archive.name} holds no {count} recordings {name}/<label>/<k>.bin")
            for label in {found[1] for found in files.values()}:
                (draft / label).mkdir(parents=True)
            for member, found in progress_bar(files.items(), f"unpacking {archive.name}", True):
                (draft / found[1] / found[2]).write_bytes(packed.read(member))
        draft.replace(home / name)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def checksum(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
