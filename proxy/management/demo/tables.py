"""Before and after, side by side. What is shown as "before" are public samples and inventions, no patients."""

from pydicom import Dataset, dcmread
from rich.table import Table

from proxy.management.demo.following import Arrived
from proxy.management.demo.suv import highest_suv

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientWeight",
    "StudyDate",
    "StudyDescription",
    "AccessionNumber",
    "InstitutionName",
    "ReferringPhysicianName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "PatientIdentityRemoved",
)


def before_and_after(label: str, image: Arrived) -> Table:
    before, after = dcmread(image.before), dcmread(image.after)
    table = Table(title=f"{label}: one image before and after", title_justify="left", width=150)
    table.add_column("attribute", width=24)
    table.add_column("as it was sent", ratio=1, overflow="fold")
    table.add_column("as it was delivered", ratio=1, overflow="fold")
    for keyword in IDENTIFYING:
        table.add_row(keyword, _shown(before, keyword), _shown(after, keyword))
    for row in _proofs(before, after):
        table.add_row(*row)
    return table


def _shown(ds: Dataset, keyword: str) -> str:
    if keyword not in ds:
        return "(absent)"
    return str(ds[keyword].value) or "(empty)"


def _proofs(before: Dataset, after: Dataset) -> list[tuple[str, str, str]]:
    same = "bit-identical" if before.PixelData == after.PixelData else "DIFFERENT"
    rows = [("PixelData", f"{len(before.PixelData)} bytes", same)]
    if before.Modality == "PT":
        rows.append(("highest SUV", f"{highest_suv(before):.4f}", f"{highest_suv(after):.4f}"))
    return rows
