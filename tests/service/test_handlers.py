"""A file in a form of ours never becomes a file in a temporary folder: its name and content may be a person's."""

import tempfile
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory


@pytest.mark.parametrize("size", [100, settings.FILE_UPLOAD_MAX_MEMORY_SIZE + 1])
def test_django_writes_no_upload_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = SimpleUploadedFile("Exampleova.dcm", bytes(size))
    request = RequestFactory().post("/", {"file": file})
    kept = [str(getattr(one, "name", "")) for one in request.FILES.values()]
    assert kept == (["Exampleova.dcm"] if size == 100 else [])
    assert list(tmp_path.iterdir()) == []
    assert not any("Temporary" in one for one in settings.FILE_UPLOAD_HANDLERS)
