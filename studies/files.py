"""What studies and benchmarks write: whole files, and parts of pages that people write.

What stands between two such lines is written by a command, never by hand:

    <!-- study methods -->          the table of a study; findings: what it found, in sentences
    <!-- end of study -->

    <!-- bench generation noise --> figures of these benchmarks that have an aim
    <!-- end of bench -->
"""

import re
from collections.abc import Callable
from pathlib import Path

from course_lib.events.files import write_atomic


def write(path: Path, content: str | bytes) -> None:
    """Write a file, atomically; text as UTF-8."""
    write_atomic(Path(path), content)


def fill(text: str, word: str, make: Callable[..., str | None]) -> str:
    """The text with its blocks of that word written anew.

    make: the names in a block's first line → its content; None leaves the block as it is.
    """

    def block(match: re.Match) -> str:
        content = make(*match[2].split())
        return match[0] if content is None else f"{match[1]}{content}\n{match[3]}"

    marks = rf"(<!-- {word}((?: \S+)*) -->\n).*?(<!-- end of {word} -->)"
    return re.sub(marks, block, text, flags=re.DOTALL)


def refresh(folder: Path, filled: Callable[[str], str]) -> None:
    """Fill the blocks in the folder's README.md."""
    page = Path(folder) / "README.md"
    if page.is_file():
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            write(page, after)
