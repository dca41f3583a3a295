"""One JSON a run, in a folder that git ignores; unfinished runs keep their checkpoint beside it."""

import json
import shutil
from pathlib import Path
from typing import Any

from course_lib.events.files import write_atomic


class Store:
    """Records of finished runs by key. Several processes may fill one folder."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def work(self, key: str) -> Path:
        """Where a run keeps its checkpoint until it has finished."""
        return self.folder / "unfinished" / key

    def get(self, key: str) -> dict[str, Any] | None:
        """The record, or None if the run has not finished.

        Raises ValueError if the file is damaged: it was not written by ``put``.
        """
        try:
            return json.loads(self.path(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.path(key)} is damaged ({error}); delete it") from error

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Write the record and its key, atomically, and drop the checkpoint."""
        text = json.dumps(record | {"key": key}, indent=1, allow_nan=False).encode()
        write_atomic(self.path(key), lambda stream: stream.write(text))
        shutil.rmtree(self.work(key), ignore_errors=True)

    def drop(self, key: str) -> None:
        """Forget a run, finished or not."""
        self.path(key).unlink(missing_ok=True)
        shutil.rmtree(self.work(key), ignore_errors=True)
