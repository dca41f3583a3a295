"""``python -m course_lib``: see ``course_lib.run.cli``."""

from course_lib.run.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
