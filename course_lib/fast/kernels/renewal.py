"""Stored compilations are dropped when any file of this folder changes.

Numba renews a function's when the function's own file changes, not when one does that the function
takes its parts from: an update of the course could leave old parts in place.
"""

import hashlib
from pathlib import Path

import numba


@numba.njit(cache=True)
def _nothing():
    pass


def renew(folder: Path, cache: Path) -> bool:
    """Drop what Numba keeps in ``cache`` unless the folder's files are as they were the last time.

    Returns whether something was dropped. Where nothing can be written, nothing is stored either.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    note, now = cache / "sources.sha256", digest.hexdigest().encode()
    try:
        if note.is_file() and note.read_bytes() == now:
            return False
        old = [path for suffix in ("nbi", "nbc") for path in cache.glob(f"*.{suffix}")]
        for path in old:
            path.unlink(missing_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        note.write_bytes(now)
    except OSError:
        return False
    return bool(old)


def renew_kernels() -> bool:
    """``renew`` this folder's."""
    return renew(Path(__file__).parent, Path(_nothing.stats.cache_path))
