#!/usr/bin/env python
"""Postern's commands: `python manage.py help` lists them."""

import os
import sys

from proxy.storage.cores import leave_no_core


def main() -> None:
    leave_no_core()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415 - says what to do if it is missing
    except ImportError:
        sys.exit("Django is not installed here. Run `make install`, then use .venv/bin/python manage.py.")
    from proxy.management.folders import make_folders  # noqa: PLC0415 - they need what may be missing above
    from proxy.web import logs  # noqa: PLC0415

    make_folders()
    logs.set_up_for(sys.argv)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
