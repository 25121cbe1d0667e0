"""Probes against Orthanc, by both of its doors: it is there, or does not know us, and gets nothing either way."""

from pathlib import Path

import pytest

from proxy.deliveries.addresses import Auth, Credentials, Web
from proxy.deliveries.agents import PROBES
from tests.deliveries.agents.peers import a_wire
from tests.peers.test_orthanc_dicomweb import orthanc_of, url_of

pytestmark = [pytest.mark.peers]


def test_orthanc_is_found_by_echo_and_by_search_and_gets_nothing(tmp_path: Path) -> None:
    login = ("postern", "s3cret")
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"postern": "s3cret"}}
    orthanc = orthanc_of(tmp_path / "orthanc", login=login, DicomAlwaysAllowEcho=True, **users)
    try:
        assert PROBES["dimse"](a_wire(orthanc.dicom_port)) is None
        other = PROBES["dimse"](a_wire(orthanc.dicom_port, "ORTHANC"))
        assert other is not None and "Called AE title not recognised" in other.reason
        known, unknown = (
            PROBES["dicomweb"](Web(url_of(orthanc), Credentials(Auth.BASIC, secret, user="postern")))
            for secret in ("s3cret", "another")
        )
        assert known is None
        assert unknown is not None and "401" in unknown.reason and "another" not in unknown.reason
        assert orthanc.get("/instances") == []
    finally:
        orthanc.close()
    found = PROBES["dimse"](a_wire(orthanc.dicom_port))
    assert found is not None and "cannot be reached" in found.reason


def test_an_orthanc_that_lets_us_store_and_not_echo_is_there(tmp_path: Path) -> None:
    orthanc = orthanc_of(tmp_path / "orthanc", DicomAlwaysAllowEcho=False)
    try:
        assert PROBES["dimse"](a_wire(orthanc.dicom_port)) is None
    finally:
        orthanc.close()
