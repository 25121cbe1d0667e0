"""From reception to a bundle that somebody else verifies."""

import hashlib
import json
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from proxy import pipeline
from proxy.deliveries import recalling
from proxy.evidence import looking, notary, signing
from proxy.routing.match import RouteFacts
from proxy.storage.keys import KeysMissing
from proxy.studies.excluding import Done
from proxy.studies.models import Instance, Revision
from tests import cast
from tests.reception.sending import send

pytestmark = pytest.mark.django_db


def going() -> bool:
    return True


def released(route: RouteFacts, images: int = 3) -> Revision:
    for number in range(1, images + 1):
        assert send(route, cast.ct(instance=number)) == 0
    Revision.objects.update(quiet_at=timezone.now())
    pipeline.settle(timezone.now())
    return Revision.objects.get()


def bundle(revision: Revision) -> signing.Statement:
    revision.refresh_from_db()
    return signing.verify(notary.read(revision), signing.public_key(notary.seed())).statement


def test_each_released_revision_gets_one_bundle_once(route: RouteFacts) -> None:
    revision = released(route)
    assert notary.attest_released(timezone.now(), going) == 1
    assert notary.attest_released(timezone.now(), going) == 0
    said = bundle(revision)
    assert said["study"]["study_uid"] == revision.study.uid and said["study"]["images"] == 3
    assert said["study"]["patient"] == revision.study.patient


def test_it_says_how_sure_it_was_that_all_of_it_was_here(route: RouteFacts) -> None:
    revision = released(route)
    notary.attest_released(timezone.now(), going)
    assert bundle(revision)["study"]["completeness"].startswith("quiet for ")


def test_of_what_is_taken_out_before_it_went_out_it_is_made_anew(route: RouteFacts) -> None:
    revision = released(route)
    assert send(route, cast.ct(instance=1, series=2)) == 0
    Revision.objects.update(quiet_at=timezone.now())
    Instance.objects.exclude(series=Instance.objects.earliest("pk").series).update(
        revision=revision, ordinal=3
    )
    Revision.objects.filter(pk=revision.pk).update(total=4)
    notary.attest_released(timezone.now(), going)
    assert bundle(revision)["study"]["images"] == 4
    second = Instance.objects.get(ordinal=3).series
    assert recalling.exclude(second, "ada", timezone.now(), "it shows her face") == Done(1)
    assert notary.attest_released(timezone.now(), going) == 1
    assert bundle(revision)["study"]["images"] == 3
    whole = Instance.objects.filter(revision=revision)[0].series
    assert recalling.exclude(whole, "ada", timezone.now(), "the rest, too") == Done(3)
    assert notary.attest_released(timezone.now(), going) == 0, "what is excluded was not released"


def test_a_bundle_of_images_that_were_taken_out_meanwhile_is_not_kept(route: RouteFacts) -> None:
    revision = released(route)
    stale = Revision.objects.select_related("study__project", "route").get(pk=revision.pk)
    Revision.objects.update(total=2)
    assert not notary.attest(stale, timezone.now(), going)
    assert list(notary.folder().rglob("*.json")) == []
    assert Revision.objects.get().evidence == ""


def test_what_is_not_released_has_none(route: RouteFacts) -> None:
    assert send(route, cast.ct()) == 0
    assert notary.attest_released(timezone.now(), going) == 0


def test_it_names_the_recipe_the_actions_the_gates_and_every_file(route: RouteFacts, data: Path) -> None:
    revision = released(route)
    notary.attest_released(timezone.now(), going)
    said = bundle(revision)
    [treatment] = said["treatments"].values()
    assert treatment["recipe"]["name"] == "basic" and treatment["recipe"]["edition"]
    assert treatment["actions"]["00100010"] and treatment["images"] == 3
    assert treatment["gates"]["settings"]["burned-in"] == "quarantine"
    on_disk = {
        row.uid: hashlib.sha256((data / "studies" / row.path).read_bytes()).hexdigest()
        for row in Instance.objects.all()
    }
    assert {one["uid"]: one["sha256"] for one in said["images"]} == on_disk


def test_promise_8_it_names_nobody(route: RouteFacts) -> None:
    revision = released(route)
    notary.attest_released(timezone.now(), going)
    revision.refresh_from_db()
    content = notary.read(revision)
    assert not any(form in content for needle in cast.NEEDLES for form in cast.spellings(needle))


def test_the_look_at_a_file_tells_what_lies_there(route: RouteFacts, data: Path) -> None:
    revision = released(route, images=1)
    notary.attest_released(timezone.now(), going)
    [look] = bundle(revision)["looks"]
    assert look["readable"] and look["patient_identity_removed"] and look["pseudonym_only"]
    assert look["type_1_without_value"]["changed_here"] == []


def test_a_file_with_somebody_in_it_does_not_look_pseudonymous(route: RouteFacts, data: Path) -> None:
    revision = released(route, images=1)
    cast.ct().save_as(data / "studies" / Instance.objects.get().path, enforce_file_format=True)
    notary.attest_released(timezone.now(), going)
    [look] = bundle(revision)["looks"]
    assert not look["pseudonym_only"] and not look["patient_identity_removed"]


def test_a_file_that_is_gone_or_broken_is_said_to_be(route: RouteFacts, data: Path) -> None:
    revision = released(route, images=2)
    first, second = Instance.objects.order_by("ordinal")
    (data / "studies" / first.path).unlink()
    (data / "studies" / second.path).write_bytes(b"noise")
    notary.attest_released(timezone.now(), going)
    said = bundle(revision)
    assert [one["sha256"] == "" for one in said["images"]] == [True, False]
    assert [look["readable"] for look in said["looks"]] == [False]


def test_no_broken_file_holds_up_the_evidence_of_others(tmp_path: Path) -> None:
    whole = cast.part10(cast.ct())
    path = tmp_path / "broken.dcm"
    for at in range(132, 1200, 7):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 : at + 900])
        header = looking.header_of(path, "ANON-X")
        assert header is None or not header.pseudonymous


def test_who_is_stopped_in_the_middle_leaves_nothing(route: RouteFacts, data: Path) -> None:
    released(route)
    told = iter([True, True, False, False, False])
    assert notary.attest_released(timezone.now(), lambda: next(told)) == 0
    assert Revision.objects.get().evidence == "" and not (data / "evidence").exists()


def test_of_two_processes_one_wins_and_no_file_is_left_over(route: RouteFacts, data: Path) -> None:
    revision = released(route)
    assert notary.attest(revision, timezone.now(), going)
    assert not notary.attest(revision, timezone.now(), going)
    assert len([one for one in (data / "evidence").rglob("*") if one.is_file()]) == 1


def test_promise_1_without_its_key_nothing_is_attested(route: RouteFacts, tmp_path: Path) -> None:
    released(route)
    (tmp_path / "keys" / "evidence.key").unlink()
    with pytest.raises(KeysMissing):
        notary.attest_released(timezone.now(), going)
    assert Revision.objects.get().evidence == ""


# --- commands and page ----------------------------------------------------------------------------------


def said_by(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_commands_hand_it_out_and_verify_it(
    route: RouteFacts, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.management.commands.evidence.prepare", lambda: None)
    revision = released(route)
    notary.attest_released(timezone.now(), going)
    key = said_by("evidence", "--public-key").strip()
    target = Path(said_by("evidence", revision.study.uid, "--to", str(tmp_path / "out")).strip())
    assert "3 images, signed by the key you trust" in said_by("verify_evidence", str(target), "--key", key)
    files = str(data / "studies")
    assert "3 files: 3 as stated, 0 not; 0 stated" in said_by(
        "verify_evidence", str(target), "--files", files
    )

    next((data / "studies").rglob("*.dcm")).write_bytes(b"other")
    with pytest.raises(SystemExit):
        said_by("verify_evidence", str(target), "--files", files)
    target.write_text(json.dumps(json.loads(target.read_text()) | {"signature": {}}))
    with pytest.raises(SystemExit):
        said_by("verify_evidence", str(target))


@pytest.mark.parametrize("key", ["", " ", "public.key", "5f3a", "g" * 64])
def test_promise_1_a_key_that_is_none_trusts_nobody(tmp_path: Path, key: str) -> None:
    """With an empty variable of a script, whoever had signed was good enough."""
    with pytest.raises(CommandError, match="64 hexadecimal digits"):
        call_command("verify_evidence", str(tmp_path / "bundle.json"), f"--key={key}")


def test_a_study_without_evidence_is_told_so(
    route: RouteFacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("proxy.management.commands.evidence.prepare", lambda: None)
    for arguments in (["2.25.1"], []):
        with pytest.raises(CommandError, match=r"No revision|Name a study"):
            call_command("evidence", *arguments)


def test_the_admin_gives_it_to_whoever_may_see_the_study(route: RouteFacts, client: Client) -> None:
    revision = released(route)
    page = reverse("admin:evidence", args=[revision.pk])
    client.force_login(User.objects.create_superuser("ada"))
    assert client.get(page).status_code == 404
    notary.attest_released(timezone.now(), going)
    answer = client.get(page)
    assert signing.verify(answer.content) and "attachment" in answer["Content-Disposition"]
    assert (
        "download"
        in client.get(reverse("admin:studies_revision_change", args=[revision.pk])).content.decode()
    )

    client.force_login(User.objects.create_user("eve", is_staff=True))
    assert client.get(page).status_code == 403
