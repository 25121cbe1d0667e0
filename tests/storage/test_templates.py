"""Names by a template: hostile values stay inside, no two images share a name, and a bad template is refused early."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.storage.templates import (
    ENOUGH,
    IMAGE,
    LONGEST,
    LONGEST_SEGMENT,
    STUDY,
    TemplateError,
    complaint,
    parse,
)

VALUES = {
    "project": "heart", "patient_id": "ANON-ABCD", "study_uid": "2.25.1", "revision": "2", "series_uid": "2.25.2",
    "instance_uid": "2.25.3", "n": "000007", "modality": "CT", "series_number": "4",
}  # fmt: skip


def filled(template: str, **values: str) -> str | None:
    place = parse(template).fill(VALUES | values)
    return str(place) if place is not None else None


def test_what_holds_without_one_names_images_and_studies() -> None:
    assert filled(IMAGE) == "ANON-ABCD/2.25.1/2.25.2/2.25.3.dcm"
    assert filled(STUDY) == "ANON-ABCD/2.25.1-2.zip"
    assert complaint(parse(IMAGE), of_studies=False) is None
    assert complaint(parse(STUDY), of_studies=True) is None


def test_values_and_text_stand_side_by_side() -> None:
    template = "{project}/v{revision}/{patient_id}_{study_uid}/{modality}-{series_number}/{n}.dcm"
    assert filled(template) == "heart/v2/ANON-ABCD_2.25.1/CT-4/000007.dcm"


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "/{patient_id}", "{patient_id}/", "a//b", "../{patient_id}", "./{n}", "{n}/..", ".{n}", "{n}.", "a/.",
        "{patient}", "{PATIENT_ID}", "{}", "{n", "n}", "{n}}", "{{n}}", "{patient_id!r}", "{n:6}", "{n.real}", "a b",
        "a\\b", "a\0b", "a\nb", "ä", "~{n}", "$HOME", "a:b", "CON", "nul.dcm", "com1", "{n}/" * 12 + "{n}",
        "{study_uid}-{series_uid}-{instance_uid}-{patient_id}", "{study_uid}{revision}", "{patient_id}.{n}",
        "{project}-{patient_id}",
    ],
)  # fmt: skip
def test_what_no_template_can_be(text: str) -> None:
    with pytest.raises(TemplateError) as wrong:
        parse(text)
    assert str(wrong.value).endswith(".")


@pytest.mark.parametrize(
    "text",
    ["{instance_uid}.dcm", "{project}/{instance_uid}", "{patient_id}/{n}.dcm", "{patient_id}/{study_uid}/{n}.dcm",
     "{project}/{study_uid}/{revision}/{n}", "{patient_id}/{series_uid}/{series_number}", "image.dcm"],
)  # fmt: skip
def test_one_under_which_two_images_could_share_a_name_is_refused(text: str) -> None:
    found = complaint(parse(text), of_studies=False)
    assert found and found.startswith("two images could have one name")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{patient_id}/{study_uid}.zip", "two ZIPs"),
        ("{study_uid}-{revision}.zip", "two ZIPs"),
        ("{patient_id}/{study_uid}-{revision}", "ends in .zip"),
        ("{patient_id}/{study_uid}-{revision}-{n}.zip", "many images: without n"),
        (IMAGE, "many images"),
    ],
)
def test_one_of_zips_has_its_own_rules(text: str, why: str) -> None:
    assert why in (complaint(parse(text), of_studies=True) or "")


HOSTILE = [
    "..",
    ".",
    "a/b",
    "/etc/passwd",
    "..\\x",
    "",
    " ",
    "a\0b",
    "a\nb",
    ".hidden",
    "ends.",
    "ä",
    "x" * 65,
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["patient_id", "study_uid", "series_uid", "instance_uid"])
def test_an_id_that_is_no_name_names_nothing(name: str, value: str) -> None:
    assert filled(IMAGE, **{name: value}) is None or (value, name) == ("ends.", "instance_uid")


@pytest.mark.parametrize("value", [*HOSTILE, "Exampleova^Ada", "ＣＴ"])
@pytest.mark.parametrize("name", ["modality", "series_number"])
def test_what_an_image_says_stays_inside_and_is_never_in_the_way(name: str, value: str) -> None:
    found = filled("{patient_id}/{" + name + "}/{instance_uid}", **{name: value})
    assert found is not None
    middle = PurePosixPath(found).parts[1]
    assert len(PurePosixPath(found).parts) == 3 and middle.isascii() and 1 <= len(middle) <= 16
    assert middle.isalnum()


@pytest.mark.parametrize(("name", "value"), [("study_uid", "2.25.1-000002"), ("patient_id", "ANON-A-B")])
def test_a_name_of_several_values_can_always_be_taken_apart(name: str, value: str) -> None:
    assert filled("{study_uid}-{n}/{patient_id}-{revision}", **{name: value}) is None
    assert filled("{study_uid}/{n}/{patient_id}/{revision}", **{name: value}) is not None


def test_a_device_of_windows_is_none_of_our_names() -> None:
    assert filled("{project}/{patient_id}/{instance_uid}", project="con") == "_con/ANON-ABCD/2.25.3"
    assert filled("{patient_id}/{modality}.x/{instance_uid}", modality="NUL") == "ANON-ABCD/_NUL.x/2.25.3"


ENOUGH_OF_THEM = [
    "{patient_id}/{instance_uid}",
    "{patient_id}-{study_uid}/{revision}-{n}",
    "{n}_{revision}/{study_uid}/{patient_id}",
]
names = st.sampled_from(sorted(LONGEST))
between = st.sampled_from(["/", "-", "_", "/v", "-x.", ""])
texts = st.builds(
    lambda enough, more, at_end: "".join(
        [*([] if at_end else [enough, "/"]), *more, *([f"/{enough}"] if at_end else [])]
    ),
    st.sampled_from(ENOUGH_OF_THEM),
    st.lists(st.tuples(between, names).map(lambda one: f"{one[0]}{{{one[1]}}}"), min_size=1, max_size=5).map(
        lambda those: [those[0].lstrip("/-_"), *those[1:]]
    ),
    st.booleans(),
)
digits = st.sampled_from("12")
uids = st.text(digits, min_size=1, max_size=2).map("2.25.{}".format)
pseudonyms = st.text(digits, min_size=1, max_size=2).map("ANON-{}".format)
free = st.text("12-_/. Ａ", max_size=3)
images = st.fixed_dictionaries(
    {
        "project": st.sampled_from(["heart", "Heart", "con"]), "patient_id": pseudonyms, "study_uid": uids,
        "revision": st.integers(1, 12).map(str), "series_uid": uids, "instance_uid": uids,
        "n": st.integers(1, 12).map("{:06}".format), "modality": free, "series_number": free,
    }
)  # fmt: skip


@given(texts, images, images)
def test_whatever_is_accepted_gives_each_image_a_name_of_its_own_inside(
    text: str, one: dict[str, str], other: dict[str, str]
) -> None:
    try:
        template = parse(text)
    except TemplateError:
        return
    assert complaint(template, of_studies=False) is None
    here, there = template.fill(one), template.fill(other)
    assert here is not None and there is not None and not here.is_absolute()
    assert all(part[0] != "." and len(part) <= LONGEST_SEGMENT + 1 for part in here.parts)
    differ = all(any(one[name] != other[name] for name in enough) for enough in ENOUGH)
    assert not differ or str(here).casefold() != str(there).casefold()
