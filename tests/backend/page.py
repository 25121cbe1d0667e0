"""A small page that shows what arrived."""

import html as escape
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.backend.uploads import Archive


def html(archives: "Sequence[Archive]") -> str:
    rows = "".join(map(_row, archives)) or "<tr><td colspan=6>Nothing yet.</td></tr>"
    heads = "".join(
        f"<th>{name}</th>" for name in ("id", "name", "patient", "description", "images", "bytes")
    )
    return (
        "<!doctype html><title>Reference backend</title><meta http-equiv=refresh content=2>"
        f"<h1>{len(archives)} archives</h1><table><tr>{heads}</tr>{rows}</table>"
    )


def _row(archive: "Archive") -> str:
    said = archive.fields
    images = json.loads(said["metadata"])["images"]
    cells = (
        archive.id,
        said["name"],
        said["patient_id"],
        said["study_description"],
        images,
        archive.path.stat().st_size,
    )
    return "<tr>" + "".join(f"<td>{escape.escape(str(cell))}</td>" for cell in cells) + "</tr>"
