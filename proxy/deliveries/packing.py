"""Turn a claim into a parcel: read the rows, hand on plain values."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from django.conf import settings

from proxy.backend.remembered import anonymizes
from proxy.deliveries import bitmap
from proxy.deliveries.addresses import Platform
from proxy.deliveries.directions import address_of
from proxy.deliveries.models import Delivery
from proxy.deliveries.originals import Restoring, maker, nobody
from proxy.deliveries.outcomes import Refused, TryLater
from proxy.deliveries.parcel import Address, Item, Parcel, Shelf
from proxy.deliveries.queue import Claim
from proxy.network.scu import Unmade
from proxy.studies.models import Instance

NO_STORE = TryLater("The storage folder cannot be reached; check its disk or mount.", rests=False)


def pack(claim: Claim, restoring: Restoring = nobody) -> Parcel | TryLater | Refused:
    """The parcel of this claim. A ZIP is made whole or not at all, so it packs what was acknowledged, too.

    With DICOM_ANONYMIZE_PATIENTS=False its items are made by `restoring` when their turn comes, or nothing is packed.
    """
    delivery = Delivery.objects.select_related("revision__study__project", "destination__node").get(
        pk=claim.delivery_id
    )
    root = Path(settings.DICOM_STORAGE_DIR) / "studies"
    if not root.is_dir():
        return NO_STORE
    to = address_of(delivery.destination)
    if isinstance(to, TryLater):
        return to
    whole = isinstance(to, Platform) or (isinstance(to, Shelf) and to.as_zip)
    items = _items(delivery, root, b"" if whole else bytes(delivery.acks))
    if anonymizes():
        return _parcel(claim, delivery, to, items)
    try:
        return _parcel(claim, delivery, to, _restored(delivery, items, restoring))
    except Unmade as why:
        return TryLater(str(why), rests=False) if why.later else Refused(str(why))


def size_of(item: Item) -> int:
    """In bytes. Of a file that is gone, none: whoever sends it says so."""
    try:
        return item.path.stat().st_size
    except OSError:
        return 0


def _parcel(claim: Claim, delivery: Delivery, to: Address, items: tuple[Item, ...]) -> Parcel:
    destination, revision = delivery.destination, delivery.revision
    return Parcel(
        delivery_id=delivery.pk,
        destination=destination.name,
        kind=destination.kind,
        to=to,
        patient=revision.study.patient,
        study_uid=revision.study.uid,
        revision=revision.number,
        total=delivery.total,
        again=delivery.tries.exclude(pk=claim.attempt_id).exists(),
        items=items,
        description=revision.study.description,
        project=revision.study.project.name,
    )


def _restored(delivery: Delivery, items: tuple[Item, ...], restoring: Restoring) -> tuple[Item, ...]:
    """Nothing is opened yet: that an image is made, its turn has to come. Raises Unmade."""
    make = maker(delivery, [item.uid for item in items], restoring)
    return tuple(
        replace(item, restore=partial(make, item.uid, item.transfer_syntax, item.path)) for item in items
    )


def _items(delivery: Delivery, root: Path, acks: bytes) -> tuple[Item, ...]:
    rows = Instance.objects.filter(revision_id=delivery.revision_id).order_by("ordinal")
    columns = rows.values_list(
        *("ordinal", "sop_class", "uid", "transfer_syntax", "path"),
        *("series__uid", "series__number", "series__modality"),
    )
    return tuple(
        Item(ordinal, sop_class, uid, syntax, root / path, *series)
        for ordinal, sop_class, uid, syntax, path, *series in columns.iterator()
        if not bitmap.has(acks, ordinal)
    )
