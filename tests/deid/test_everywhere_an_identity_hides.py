"""The table of docs/privacy.md: each place where an identity hides, planted, and gone from the raw bytes."""

import warnings
from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from proxy.deid import Engine, deidentify, load_recipe, make_meta
from tests.deid.build import EXPLICIT, IMPLICIT, SUBJECT, WORDS, Raw, cleaned, ct, encoded, item, read

NEEDLES = (
    "Example",
    "EXAMPLE",
    "Ada ",
    "AE-4711",
    "AE4711",
    "7789123",
    "ada@",
    "Quennerstedt",
    "ACC-99812",
    "19610427",
)
IN_UTF16 = tuple(needle.encode("utf-16-le") for needle in NEEDLES)


def deep(ds: Dataset) -> None:
    inner = item(PatientName="Example^Ada", CodeMeaning=WORDS, TextValue=WORDS)
    for _ in range(20):
        inner = item(AnatomicRegionSequence=inner, SeriesDescription=WORDS)
    ds.AnatomicRegionSequence = inner


def public_in_un(ds: Dataset) -> Raw:
    tags = (0x00081090, 0x00081080, 0x00181020, 0x00321032, 0x00402016)
    return [(tag, "UN", WORDS.encode().ljust(52)) for tag in tags]


def sequence_in_un(ds: Dataset) -> Raw:
    return [
        (0x00082218, "UN", encoded_items(item(PatientName="Example^Ada", CodeMeaning=WORDS))),
        (0x00081115, "UN", b"Example^Ada, no sequence"),
    ]


def encoded_items(items: Sequence) -> bytes:
    """A sequence value as it stands inside UN: implicit little endian."""
    body = b""
    for ds in items:
        for element in ds:
            value = str(element.value).encode().ljust((len(str(element.value)) + 1) // 2 * 2)
            tag = element.tag
            body += tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little")
            body += len(value).to_bytes(4, "little") + value
    return b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body


def private(ds: Dataset) -> None:
    ds.add_new(0x00190010, "LO", "Example Creator")
    ds.add_new(0x00191001, "LO", WORDS)
    ds.add_new(0x00191002, "UN", WORDS.encode().ljust(52))
    ds.add_new(0x00191003, "SQ", item(PatientName="Example^Ada"))
    ds.add_new(0x00211001, "LO", WORDS)  # an orphan: nobody reserved its block


def safe_private(ds: Dataset) -> None:
    ds.add_new(0x00E10010, "LO", "ELSCINT1")
    ds.add_new(0x00E11021, "LO", WORDS)  # safe by its number, and misused


def requests(ds: Dataset) -> None:
    hidden = item(PatientID="AE-4711", RequestedProcedureDescription=WORDS, AccessionNumber="ACC-99812")
    ds.RequestAttributesSequence = hidden
    ds.OtherPatientIDsSequence = hidden
    ds.OriginalAttributesSequence = item(
        ModifiedAttributesSequence=item(PatientName="Example^Ada"), ReasonForTheAttributeModification="COERCE"
    )
    ds.ReferencedStudySequence = item(ReferencedSOPInstanceUID="1.2.3.4.5", AccessionNumber="ACC-99812")


def overlays(ds: Dataset) -> None:
    ds.add_new(0x60003000, "OW", WORDS.encode().ljust(52))
    ds.add_new(0x60001500, "LO", WORDS)
    ds.add_new(0x60004000, "LT", WORDS)
    ds.add_new(0x50003000, "OW", WORDS.encode().ljust(52))


def icon(ds: Dataset) -> None:
    ds.IconImageSequence = item(Rows=2, Columns=2, BitsAllocated=8, PixelData=WORDS.encode().ljust(52))


def graphics(ds: Dataset) -> None:
    ds.GraphicAnnotationSequence = item(TextObjectSequence=item(UnformattedTextValue=WORDS))


def report(ds: Dataset) -> None:
    ds.ContentSequence = Sequence(
        [
            *item(ValueType="TEXT", TextValue=WORDS),
            *item(ValueType="PNAME", PersonName="Quennerstedt^Ulla"),
            *item(ValueType="DATE", Date="20200229"),
            *item(ValueType="UIDREF", UID="1.2.3.4.5"),
        ]
    )


def free_text(ds: Dataset) -> None:
    for keyword in (
        "SoftwareVersions", "ViewName", "ManufacturerModelName", "SequenceName", "ProtocolName", "ImageComments",
        "SeriesDescription", "StudyDescription", "ContrastBolusAgent", "DerivationDescription", "KVP",
    ):  # fmt: skip
        ds.add_new(keyword, "LO", WORDS)
    ds.RetrieveURL = "http://pacs.example.org/AE-4711"
    ds.BodyPartExamined = "EXAMPLE"


def unknown(ds: Dataset) -> Raw:
    return [(0x00189998, "LO", WORDS.encode()), (0x00289998, "UN", WORDS.encode().ljust(52))]


def padding(ds: Dataset) -> Raw:
    return [
        (0x00185100, "CS", b"HFS\0Example"),
        (0x00200052, "UI", b"1.2.3\0Example Ada "),
        (0x00180050, "DS", b"5.0\0Example "),
        (0x00080104, "UI", b"1.2.840.10008.1.1\0Example "),
    ]


def names(ds: Dataset) -> None:
    ds.PatientName = "Example^Ada^Maria^Dr.^MD"
    ds.OtherPatientNames = ["Example^A.", "Quennerstedt^Ada"]
    ds.SoftwareVersions = ["syngo", "Quennerstedt", "Maria"]


def documents(ds: Dataset) -> None:
    ds.EncapsulatedDocument = WORDS.encode().ljust(52)
    ds.MIMETypeOfEncapsulatedDocument = "text/plain"


def other_encodings(ds: Dataset) -> Raw:
    return [(0x00181023, "UN", WORDS.encode("utf-16-le")), (0x00283006, "OW", WORDS.encode("utf-16-le"))]


def methods(ds: Dataset) -> None:
    ds.DeidentificationMethod = ["Asked by Ulla Quennerstedt", "Example Ada"]
    ds.DeidentificationMethodCodeSequence = item(CodeValue="113100", CodeMeaning=WORDS)
    ds.PatientIdentityRemoved = "NO"


PLACES: dict[str, Callable[[Dataset], Raw | None]] = {
    "every depth of sequences": deep, "public attributes in UN": public_in_un, "sequences in UN": sequence_in_un,
    "private elements": private, "misused safe private attributes": safe_private, "requests and originals": requests,
    "overlays and curves": overlays, "icons": icon, "graphic annotations": graphics, "report content": report,
    "unlisted free text": free_text, "unknown even tags": unknown, "padding after values": padding,
    "many names": names, "earlier de-identifications": methods,
    "encapsulated documents": documents, "other encodings": other_encodings,
}  # fmt: skip


@pytest.mark.parametrize("recipe", ["basic", "research", "limited", "hipaa-safe-harbor"])
@pytest.mark.parametrize("place", PLACES)
def test_nothing_planted_is_left_in_the_raw_bytes(place: str, recipe: str) -> None:
    for syntax in (EXPLICIT, IMPLICIT):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = ct()
            elements = PLACES[place](ds) or []
            out, clean = cleaned(ds, recipe, syntax, elements)
        raw = clean.meta + out
        left = [needle for needle in NEEDLES if needle.encode() in raw]
        assert left == [], syntax
        assert not any(needle in raw for needle in IN_UTF16), syntax
        assert not any(needle.encode() in value for needle in NEEDLES for value in clean.values.values())
        assert [hold for hold in clean.holds if hold.code == "residual"] == []


def test_the_file_meta_and_the_preamble_are_new() -> None:
    meta = make_meta("1.2", "1.3", EXPLICIT)
    assert meta[:132] == b"\0" * 128 + b"DICM"


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 101", "Wałęsa^Lech"), ("ISO_IR 144", "Люксембург^Роза"),
        ("ISO_IR 126", "Διονυσιος^Ααα"), ("ISO_IR 127", "قباني^لنزار"), ("ISO_IR 138", "שרון^דבורה"),
        ("ISO_IR 166", "สมชาย^ใจดี"), ("ISO_IR 192", "Łukasiewicz^Żaneta"), ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)  # fmt: skip
def test_names_are_found_in_every_character_set(charset: str, name: str) -> None:
    ds = ct()
    ds.SpecificCharacterSet, ds.PatientName = charset, name
    words = [word for word in name.replace("^", " ").replace("=", " ").split() if len(word) > 1]
    ds.SoftwareVersions = " ".join(words)[:60]
    ds.SeriesDescription = "Brain " + " ".join(words)[:50]
    out, clean = cleaned(ds, "research")
    image = read(out, clean)
    assert image.SeriesDescription == "Brain"
    assert not image.get("SoftwareVersions")
    for word in words:
        for codec in (
            "utf-8",
            "utf-16-le",
            "latin-1",
            "iso8859_2",
            "iso8859_5",
            "shift_jis",
            "euc_kr",
            "gb18030",
        ):
            try:
                assert word.encode(codec) not in out
            except UnicodeEncodeError:
                continue


def test_clinical_words_survive_the_hunt() -> None:
    ds = ct()
    ds.PatientName = "Head^Brain"
    kept = [
        "CT Head w/o contrast 5 mm",
        "T1 MPRAGE sag 1x1x1",
        "Thorax 1.0 B60f Lung",
        "MR Angio 3D TOF 64 slab",
    ]
    for text in kept:
        ds.SeriesDescription = text
        out, clean = cleaned(ds, "research")
        assert read(out, clean).SeriesDescription == text


@pytest.mark.parametrize(
    "text",
    [
        "Brain +49 441 7789123", "Brain (555) 123-4567", "Brain jane@uni.edu", "Brain http://x.y/z?id=1",
        "Brain 123-45-6789", "Brain MRN: 44521", "Brain 2020-02-29", "Brain 29.02.2020", "Brain 3 March 2020",
        "Brain 12 Baker Street", "Brain Lindenstraße 7", "Brain Dr. Mustermann", "Brain 88120099123",
    ],
)  # fmt: skip
def test_what_looks_like_somebody_goes_from_descriptions(text: str) -> None:
    ds = ct()
    ds.SeriesDescription = text
    out, clean = cleaned(ds, "research")
    assert read(out, clean).SeriesDescription == "Brain"


def test_ages_over_89_become_one_group() -> None:
    out, clean = cleaned(ct(), "hipaa-safe-harbor")
    assert read(out, clean).PatientAge == "090Y"


def test_safe_private_attributes_stay_by_creator_not_by_block() -> None:
    ds = ct()
    ds.add_new(0x70530042, "LO", "Philips PET Private Group")
    ds.add_new(0x70534200, "DS", "0.00123")
    ds.add_new(0x70530043, "LO", "Somebody Else")
    ds.add_new(0x70534300, "DS", "0.00999")
    out, clean = cleaned(ds, "research")
    image = read(out, clean)
    assert image[0x70534200].value == 0.00123
    assert 0x70534300 not in image and 0x70530043 not in image


def test_a_kept_value_is_an_operators_decision() -> None:
    engine = Engine(load_recipe("minimal"))
    ds = ct()
    ds.InstitutionName = "Klinikum"
    clean = deidentify(encoded(ds), EXPLICIT, engine, lambda facts: SUBJECT)
    assert b"Klinikum" in b"".join(clean.rest)


@pytest.mark.parametrize("recipe", ["basic", "research", "limited", "minimal", "hipaa-safe-harbor"])
@pytest.mark.parametrize("filling", [0, 20_000])  # a header of 0x3000 bytes and more is looked at another way
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Young^Grace", "T1 YOUNG^GRACE"), ("Young^Grace", "T1 Young, Grace"), ("Brown^Rose", "T1 brown_-rose"),
        ("Brown^Rose", "T1 ROSE, BROWN"), ("Young^Grace", "T1 YOUNGGRACE"),
    ],
)  # fmt: skip
def test_promise_1_a_name_of_two_common_words_is_found(
    name: str, text: str, filling: int, recipe: str
) -> None:
    ds = ct()
    ds.PatientName, ds.SeriesDescription = name, text
    ds.ImageType = ["ORIGINAL", "PRIMARY", *["AXIAL"] * (filling // 6)]
    out, clean = cleaned(ds, recipe)
    assert read(out, clean).get("SeriesDescription") in (None, "", "T1")
    assert not clean.holds


RUSSIAN = "Иванович^Ким"
UNDECLARED = [
    *((RUSSIAN, "ISO_IR 144", codec) for codec in ("koi8_r", "cp1251", "utf-16-le", "utf-16-be", "utf-8")),
    *((RUSSIAN, "ISO_IR 192", codec) for codec in ("iso8859_5", "koi8_r", "cp1251", "utf-16-le", "utf-16-be")),
    ("山田^太郎", "ISO_IR 192", "shift_jis"), ("山田^太郎", "ISO_IR 192", "euc_jp"), ("山田^太郎", "GB18030", "utf-8"),
    ("山田^太郎", "ISO_IR 192", "iso2022_jp"), ("Müller^Zoë", "ISO_IR 100", "utf-8"),
    ("Müller^Zoë", "GB18030", "latin-1"), ("Wałęsa^Łucja", "ISO_IR 192", "cp1250"),
    ("Ķēniņš^Ģirts", "ISO_IR 192", "iso8859_4"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "charset", "codec"), UNDECLARED)
@pytest.mark.parametrize("recipe", ["research", "limited", "minimal"])
def test_promise_1_a_name_in_an_undeclared_encoding_is_found(
    recipe: str, name: str, charset: str, codec: str
) -> None:
    for part in name.split("^"):
        for text in (f"CT {part}", f"12.03.2020 {part} CT"):
            ds = ct()
            ds.SpecificCharacterSet, ds.PatientName = charset, name
            raw = text.encode(codec)
            places: Raw = [(0x0008103E, "LO", raw), (0x00120063, "LO", raw), (0x00204000, "LT", raw)]
            out, clean = cleaned(ds, recipe, raw=places)
            assert part.encode(codec) not in out
            assert part.encode(codec).decode("latin-1").encode() not in out  # nor what can be turned back
            assert not clean.holds


@pytest.mark.parametrize("recipe", ["research", "limited", "minimal"])
def test_promise_1_a_name_in_an_item_with_its_own_character_set_is_found(recipe: str) -> None:
    ds = ct()
    ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 192", RUSSIAN
    ds.RequestAttributesSequence = item(
        SpecificCharacterSet="ISO_IR 144",
        RequestedProcedureDescription="КТ Иванович",
        ScheduledProcedureStepDescription="Ким",
    )
    out, clean = cleaned(ds, recipe)
    assert not any(part.encode("iso8859_5") in out for part in RUSSIAN.split("^"))
    assert not clean.holds


@pytest.mark.parametrize("text", ["контроль грудной клетки", "лимфоузлы, ким", "Übersicht für Thorax"])
def test_text_in_another_language_survives_a_short_name(text: str) -> None:
    ds = ct()
    ds.SpecificCharacterSet, ds.PatientName, ds.SeriesDescription = "ISO_IR 192", "Пак^Юн", text
    out, clean = cleaned(ds, "research")
    assert read(out, clean).SeriesDescription == text
