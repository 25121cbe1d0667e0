"""Promise 7 on the wire: a study goes out, an AI marks it, and the marks are in the hospital's PACS, in that study."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from tests import cast, results
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve
from tests.peers.orthanc import Orthanc

pytestmark = [pytest.mark.journey, pytest.mark.peers]

KINDS = ("SEG", "SR", "KO", "parametric map", "RTSTRUCT")


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    orthanc = Orthanc(tmp_path / "orthanc")
    yield orthanc
    orthanc.close()


def configured(house: House, pacs: Orthanc) -> None:
    text = f"""
projects: [{{name: default, recipe: research}}]
nodes:
- {{name: CT, ae_title: {cast.CT_EAST}, host: 127.0.0.1, port: 104, may: [store]}}
- {{name: AI, ae_title: AI, host: 127.0.0.1, port: 104, may: [store], outside: true, networks: [127.0.0.1/32]}}
- name: PACS
  ae_title: {cast.ARCHIVE}
  host: 127.0.0.1
  port: {pacs.dicom_port}
  view: identified
  networks: [127.0.0.1/32]
  projects: [default]
  grant: {{purpose: treatment, until: 2099-01-01}}
destinations:
- {{name: home, kind: dimse, node: PACS}}
- {{name: outbox, kind: folder, path: outbox}}
routes:
- {{called_ae: INTAKE, project: default, destinations: [outbox]}}
- {{called_ae: RESULTS, project: default, destinations: [home]}}
"""
    (house.folder / "site.yaml").write_text(text)
    result = house.command("configure", str(house.folder / "site.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


def written(folder: Path, *objects: Dataset) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.dcm" for number in range(len(objects))]
    for path, one in zip(paths, objects, strict=True):
        dcmwrite(path, one, enforce_file_format=True)
    return paths


@pytest.mark.timeout(600)
def test_promise_7_results_land_in_the_original_study(house: House, pacs: Orthanc, tmp_path: Path) -> None:
    house.env.update(DICOM_STUDY_TIMEOUT="1", DICOM_MODE="private")
    configured(house, pacs)
    house.start("listen")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    originals = [cast.ct(instance=number) for number in (1, 2, 3)]
    paths = written(tmp_path / "study", *originals)
    stored_by_the_modality(pacs, paths)
    assert journey.sent_safely(house, *paths, called="INTAKE")
    house.start("work")
    journey.wait_until(lambda: journey.all_delivered(house, 1), "the study is outside")

    outside = [dcmread(path) for path in journey.dicom_files(house.data / "outbox")]
    outside.sort(key=lambda image: int(image.InstanceNumber))
    made = {kind: results.made(kind, outside) for kind in KINDS}
    assert journey.sent_safely(
        house, *written(tmp_path / "made", *made.values()), called="RESULTS", calling="AI"
    )
    home = "SELECT count(*) FROM retrieval_homecoming WHERE state = 'delivered'"
    journey.wait_until(lambda: journey.count(house, home) == len(KINDS), "the results are home")

    [study] = pacs.get("/studies")
    said = pacs.get(f"/studies/{study}")
    assert said["MainDicomTags"]["StudyInstanceUID"] == originals[0].StudyInstanceUID
    assert said["MainDicomTags"]["AccessionNumber"] == originals[0].AccessionNumber
    assert said["PatientMainDicomTags"]["PatientID"] == cast.ADA.id
    assert len(said["Series"]) == 1 + len(KINDS)
    found = {one.SOPInstanceUID: one for one in stored(pacs)}
    for kind, result in made.items():
        as_made(found[result.SOPInstanceUID], result, kind, originals)
    assert not journey.leaks(house, [*cast.ADA.needles, cast.REFERRER])


def stored_by_the_modality(pacs: Orthanc, paths: list[Path]) -> None:
    """The hospital's PACS has the study from the scanner itself."""
    for path in paths:
        pacs.post("/instances", path.read_bytes())


def stored(pacs: Orthanc) -> Iterator[Dataset]:
    from io import BytesIO

    for file in pacs.files():
        yield dcmread(BytesIO(file))


def as_made(home: Dataset, made: Dataset, kind: str, originals: list[Dataset]) -> None:
    """All that the outside said stands there; every reference is the original's."""
    assert home.PatientName == cast.ADA.name, kind
    assert home.SeriesInstanceUID == made.SeriesInstanceUID
    before = {str(one.SOPInstanceUID) for one in originals}
    assert before & set(referred(home)), kind
    assert not [uid for uid in referred(home) if uid.startswith("2.25.")], kind
    for name in ("PixelData", "FloatPixelData", "ContentDate", "Manufacturer", "ContentLabel"):
        assert str(home.get(name)) == str(made.get(name)), (kind, name)
    assert home.StudyDate == originals[0].StudyDate


def referred(ds: Dataset) -> list[str]:
    names: tuple[Any, ...] = ("ReferencedSOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    return [str(one.value) for one in ds.iterall() if one.keyword in names]
