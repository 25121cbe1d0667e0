"""A small page that shows what arrived, and what may be said about it."""

import html as escape
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.management.demo.backend.platform import Backend
    from proxy.management.demo.backend.uploads import Archive

HEADS: Final = ("id", "name", "patient", "description", "images", "bytes", "SHA-256")
LAST: Final = 20  # messages that are shown


def html(backend: "Backend") -> str:
    archives = backend.uploaded.all()
    rows = "".join(map(_row, archives)) or f"<tr><td colspan={len(HEADS)}>Nothing yet.</td></tr>"
    heads = "".join(f"<th>{name}</th>" for name in HEADS)
    heard = "".join(f"<li><code>{_text(json.dumps(one))}</code></li>" for one in backend.heard[-LAST:])
    return (
        "<!doctype html><title>Reference backend</title><meta http-equiv=refresh content=2>"
        "<style>body{font-family:sans-serif}td,th{padding:.2em .6em;text-align:left}td{font-family:monospace}</style>"
        f"<h1>{len(archives)} archives</h1><table><tr>{heads}</tr>{rows}</table>"
        f"<h2>{len(backend.lines)} connected, {len(backend.heard)} messages</h2><ul>{heard}</ul>"
    )


def _row(archive: "Archive") -> str:
    form = archive.fields
    images = json.loads(form["metadata"]).get("images", "")
    size = archive.path.stat().st_size if archive.path.exists() else ""
    cells = (
        archive.id,
        form["name"],
        form["patient_id"],
        form["study_description"],
        images,
        size,
        archive.sha256,
    )
    return "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"


def _text(value: object) -> str:
    return escape.escape(str(value))
