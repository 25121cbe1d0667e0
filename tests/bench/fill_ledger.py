"""Days of finished deliveries: `python -m tests.bench.fill_ledger COUNT DAYS`, in the database of the environment.

As `fill_deliveries`, with two images for each revision, and the revisions spread evenly over so many days before today.
"""

import sys

from tests.bench.fill_deliveries import FIRST, copy, fill  # sets Django up

from django.db import connection  # isort: skip
from django.utils import timezone  # isort: skip

from proxy.studies.models import Instance, Revision, Series  # isort: skip
from tests.bench.fill import tidy  # isort: skip


def images() -> None:
    """Two of each revision: copies of one image with ordinal 0, and of one with ordinal 1."""
    first = Revision.objects.get(pk__lt=FIRST)
    series = Series.objects.create(study=first.study, uid="2.25.70.1", modality="CT")
    count = Revision.objects.filter(pk__gte=FIRST).count()
    for one in [_image(first, series, ordinal) for ordinal in range(2)]:
        key = f"{FIRST} + {one.ordinal * count} + n.i"
        uid, path = f"'2.25.73.{one.ordinal}.' || n.i", f"'73/{one.ordinal}/' || n.i"
        copy(one, count, {"id": key, "revision_id": f"{FIRST} + n.i", "uid": uid, "path": path})


def _image(revision: Revision, series: Series, ordinal: int) -> Instance:
    return Instance.objects.create(
        project=revision.study.project, revision=revision, series=series, ordinal=ordinal,
        uid=f"2.25.70.1.{ordinal}", sop_class="1.2.840.10008.5.1.4.1.1.2", transfer_syntax="1.2.840.10008.1.2.1",
        path=f"70/{ordinal}", size=10, header_mac="00", bulk_digest="00", received_at=timezone.now(),
    )  # fmt: skip


def spread(days: int) -> None:
    """Over the days before today."""
    table = Revision._meta.db_table
    back = f"(1 + id % {days})"
    moved = f"datetime(opened_at, '-' || {back} || ' days')"
    if connection.vendor == "postgresql":
        moved = f"opened_at - {back} * interval '1 day'"
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET opened_at = {moved} WHERE id >= {FIRST}")


if __name__ == "__main__":
    fill(int(sys.argv[1]))
    images()
    spread(int(sys.argv[2]))
    tidy()
