"""Write the made parts of docs/conformance.md anew: `make conformance`, or `python -m tests.docs.conformance`.

Django's models are imported for what they answer; no database and no key is looked at.
"""

import os
import sys

import django

from tests.docs import marked, reading

PAGE = reading.ROOT / "docs" / "conformance.md"


def main() -> int:
    os.environ.setdefault("SECRET_KEY", "documents sign nothing")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from tests.docs import statement

    PAGE.write_text(marked.filled(PAGE.read_text(encoding="utf-8"), statement.made()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
