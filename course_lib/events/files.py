"""Atomic writing, archives of arrays, and the cache."""

import contextlib
import hashlib
import json
import math
import os
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import numpy as np

LEFT_BEHIND = 3600  # seconds after which nobody writes to a temporary file any more


def write_atomic(path: Path, content: str | bytes | Callable[[IO], object]) -> None:
    """Write a temporary file beside ``path``, then move it there: all or nothing.

    content: bytes, text (UTF-8), or what writes to an open file. What killed writers of this path
    left behind is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_BEHIND:
                left.unlink()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            if callable(content):
                content(stream)
            else:
                stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp allows the owner only
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def try_lock(stream: IO) -> bool:
    """Whether this process now holds the open file alone. Its lock ends with it, however it ends.

    True, too, on a file system that knows no locks.
    """
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError | PermissionError)
    return True


def cache_folder(cache_dir: str | os.PathLike | None = None) -> Path:
    """``cache_dir``, else the variable COURSE_CACHE, else the user's cache folder."""
    if cache_dir is None:
        cache_dir = os.environ.get("COURSE_CACHE")
    if cache_dir:
        return Path(cache_dir).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("spikes-without-backprop"))


def data_file(name: str, otherwise: str) -> Path:
    """A file of the repository's data/, or of an installed package's.

    Raises FileNotFoundError, with the text ``otherwise``, if it is in neither.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "data", package / "_data"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(otherwise)


def load_npz(path: str | os.PathLike, limit: int) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Their headers are read before memory is asked for; no pickles.

    Raises ValueError, naming the file, where it is damaged or claims more than ``limit`` bytes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected an .npz file")
    try:
        claimed = 0
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    np.lib.format.read_magic(stream)
                    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
                    claimed += math.prod(shape) * dtype.itemsize
        if claimed <= limit:
            with np.load(path, allow_pickle=False) as data:
                return {name: data[name] for name in data.files}
    except Exception as error:  # damaged bytes raise whatever zipfile, zlib and NumPy come upon
        raise ValueError(f"{path} is damaged, or no .npz file ({error})") from error
    raise ValueError(f"{path} claims to hold {claimed:,} bytes; at most {limit:,} were expected")


def progress_bar(items: Iterable, title: str, shown: bool, total: int | None = None) -> Iterable:
    """The items, with a bar in the terminal or the notebook if it is ``shown``."""
    from tqdm.auto import tqdm

    return tqdm(items, desc=title, unit="rec", total=total, disable=not shown)


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def cached(
    kind: str, key: dict, build: Callable[[], dict], cache_dir: str | os.PathLike | None = None
) -> dict[str, np.ndarray]:
    """The arrays that ``build()`` returns, from the cache if a sound copy is there.

    Args:
        kind: start of the file's name.
        key: everything that shapes the arrays, as JSON values; its hash names the file.

    A file that is truncated or damaged is rebuilt; its checksum covers every array. Where the
    folder cannot be written, a warning says so and the arrays are returned all the same.
    """
    text = json.dumps(key, sort_keys=True)
    path = cache_folder(cache_dir) / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"
    try:
        arrays = load_npz(path, path.stat().st_size)  # it was not compressed
        if str(arrays.pop("checksum")) == _checksum(arrays):
            return arrays
    except (OSError, ValueError, KeyError):
        pass  # not there, or damaged: made anew
    arrays = build()
    stamp = np.array(_checksum(arrays))
    try:
        write_atomic(path, lambda stream: np.savez(stream, checksum=stamp, **arrays))
    except OSError as error:
        warnings.warn(
            f"the cache {path.parent} cannot be written ({error}); set COURSE_CACHE to a folder "
            "that can, so that the next start is faster",
            stacklevel=2,
        )
    return arrays
