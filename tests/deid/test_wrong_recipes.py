"""What can be wrong with a recipe, and that each of it is refused at load, with file and line.

The file: empty, huge, not text, not YAML, two documents, tags, anchors, bombs, depth, keys that stand twice.
The recipe: unknown keys and values, options that exclude one another, parents that are missing or go in circles,
a name that cannot stand in an image. Rules: names nobody knows, attributes that nothing can match or that the engine
writes itself, paths that lead nowhere, actions and values that do not fit, patterns that are wrong or never end,
and two rules for one attribute, however it is spelled.
"""

import time
from pathlib import Path

import pytest

from proxy.deid import RecipeError, describe, load_recipe
from proxy.deid.recipe import Recipe
from tests.deid.build import cleaned, ct, read


def load(folder: Path, text: str | bytes) -> Recipe:
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_recipe(str(path))


def refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(RecipeError) as trouble:
        load(folder, text)
    return str(trouble.value)


BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine.yaml:1: the recipe is empty"),
        ("# nothing\n", "mine.yaml:1: the recipe is empty"),
        (b"\xff\xfe\x00", "mine.yaml: cannot be read (UnicodeDecodeError)"),
        ("name: a\x00b", "mine.yaml: not YAML"),
        ("name: mine\n" + "# x" * 100_000, "mine.yaml: larger than 256 KiB"),
        ("just words", "mine.yaml:1: a recipe is a mapping"),
        ("name: mine\n---\nname: other", "mine.yaml:2: not YAML"),
        ("name: mine\nrules: !!python/object:os.system {}", "mine.yaml:2: tags are not used"),
        ("name: !!python/name:os.system x", "mine.yaml:1: tags are not used"),
        ("rules: &one {PatientName: keep}", "mine.yaml:1: anchors and aliases"),
        (BOMB, "mine.yaml:1: anchors and aliases"),
        ("rules: " + "[" * 100_000, "mine.yaml:1: deeper than 8"),
        ("rules: " + "{a: " * 20, "mine.yaml:1: deeper than 8"),
        ("? [name]\n: mine", "mine.yaml:1: one word belongs here"),
        ("name: mine\nname: yours", "mine.yaml:2: name stands here twice"),
        ("<<: {name: mine}", "mine.yaml:1: unknown key '<<'"),
        ("name:", "mine.yaml:1: name says nothing"),
        ("name: [a]", "mine.yaml:1: name is one word"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert refused(tmp_path, text).startswith(said)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    for name in ("nothing.yaml", "folder.yaml", "nobody"):
        with pytest.raises(RecipeError, match="there is no recipe"):
            load_recipe(str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: mine\nrule: {}", "mine.yaml:2: unknown key 'rule'; did you mean rules?"),
        ("extends: basic\nname: Klinik am Größten", "mine.yaml:2: a recipe's name"),
        ('extends: basic\nname: "a\\\\b"', "mine.yaml:2: a recipe's name"),
        ("extends: basic\nname: " + "x" * 41, "mine.yaml:2: a recipe's name"),
        ("extends:", "mine.yaml:1: extends says nothing"),
        ("name: mine\nextends: nobody", "mine.yaml:2: there is no recipe"),
        ("edition: 2020a", "mine.yaml:1: edition is one of"),
        ("extends: basic\nedition:", "mine.yaml:2: edition is one of"),
        ("extends: basic\noptions:", "mine.yaml:2: options is a list"),
        ("extends: basic\noptions: [device, [uids]]", "mine.yaml:2: one word belongs here"),
        ("extends: basic\noptions: [device,\n  device]", "mine.yaml:3: device stands here twice"),
        ("extends: research\noptions: [full-dates]", "mine.yaml:2: full-dates and modified-dates"),
        ("extends: limited\n\ndates: year", "mine.yaml:3: dates: year excludes"),
        ("extends: hipaa-safe-harbor\noptions: [modified-dates]", "mine.yaml:2: dates: year excludes"),
        ("edition: none\noptions: [device]", "mine.yaml:2: edition: none keeps"),
        ("edition: none\nprivate: remove", "mine.yaml:2: edition: none keeps"),
        ("unknown: maybe", "mine.yaml:1: unknown is one of remove, keep"),
        ("hunting: no", "mine.yaml:1: hunting is one of true, false"),
        ("documents: accept", "mine.yaml:1: documents is one of"),
        ("rules: [PatientName]", "mine.yaml:1: rules is a mapping"),
        ("rules:", "mine.yaml:1: rules is a mapping"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_meant(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path, text).startswith(said)


def test_parents_do_not_go_in_circles(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("name: one\nextends: two")
    (tmp_path / "two.yaml").write_text("name: two\n\nextends: one.yaml")
    with pytest.raises(RecipeError, match=r"^two\.yaml:3: extends itself"):
        load_recipe(str(tmp_path / "one.yaml"))
    for number in range(20):
        (tmp_path / f"n{number}.yaml").write_text(f"extends: n{number + 1}")
    with pytest.raises(RecipeError, match="more than 16 recipes"):
        load_recipe(str(tmp_path / "n0.yaml"))


def test_a_parents_fault_is_said_of_the_parent(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("name: parent\nrules:\n  PatientNam: keep")
    assert refused(tmp_path, "extends: parent").startswith("parent.yaml:3: 'PatientNam' is no keyword")


def test_a_parent_is_looked_for_beside_its_child(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("extends: basic\nrules: {PatientSex: keep}")
    assert load(tmp_path, "extends: parent.yaml").lines == load(tmp_path, "extends: parent").lines != ()


def test_what_is_not_said_protects(tmp_path: Path) -> None:
    """Promise 1: without `extends` and `edition` a recipe once kept everything that it did not name."""
    out, clean = cleaned(ct(), str(written(tmp_path, "rules: {StudyID: keep}")))
    assert b"Quennerstedt" not in out and read(out, clean).PatientBirthDate == ""
    out, _ = cleaned(ct(), str(written(tmp_path, "edition: none\nhunting: false\nrules: {StudyID: delete}")))
    assert b"Quennerstedt" in out


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("PatientNam: keep", "is no keyword of PS3.6 and no tag; did you mean PatientName?"),
        ("'': keep", "is no keyword"),
        ("'(0010)': keep", "is no keyword"),
        ("'(0010,00G0)': keep", "is no keyword"),
        ("'0010,0010 and more': keep", "is no keyword"),
        ("PatientName: vanish", "is no action"),
        ("PatientName: delet", "is no action; did you mean delete?"),
        ("PatientName:", "'' is no action"),
        ("PatientName: [keep]", "an action is a word"),
        ("PatientName: {keep: a, empty: b}", "an action is a word"),
        ("PatientName: {keep: a}", "keep takes 0"),
        ("StudyID: {regexp: [a, b, c]}", "regexp takes 2"),
        ("StudyID: {regexp: [[a], b]}", "the arguments of an action are words"),
        ("StudyID: {regexp: [a, b], regexp: [a, c]}", "regexp stands here twice"),
        ("StudyID: {action: regexp, find: a}", "regexp takes 2"),
        ("StudyID: {action: regexp, find: a, value: b}", "regexp takes no 'value'"),
        ("StudyID: {action: keep, value: b}", "keep takes no 'value'"),
        ("StudyID: {action: replace_with_value, value: [a]}", "the arguments of an action are words"),
        ("StudyID: {allow: []}", "allow takes at least one"),
        # nothing can match
        ("'(0002,0010)': keep", "no data set holds this group"),
        ("'(FFFE,E000)': keep", "no data set holds this group"),
        ("'(0001,0010)': keep", "no data set holds this group"),
        ("'(0010,0000)': keep", "group lengths are never kept"),
        ("PixelData: delete", "pixel data pass as they are"),
        ("DeidentificationMethod: keep", "the engine writes DeidentificationMethod itself"),
        ("'(0012,0062)': delete", "the engine writes PatientIdentityRemoved itself"),
        ("'(0019,0010)': keep", "private attributes lie in blocks"),
        ("'(0019,0001)': keep", "private attributes lie in blocks"),
        ("'(0018,xx01, \"ACME\")': keep", "its group is even"),
        ("'(0019,1001, \"ACME\")': keep", "write the block as xx"),
        ("'(0019,0001, \"ACME\")': keep", "write the block as xx"),
        ("'(0019,xx01, \" \")': keep", "a private creator has 1 to 64"),
        # paths that lead nowhere
        ("PatientName > PatientID: keep", "'PatientName' is no sequence"),
        ("'RequestAttributesSequence > (60xx,3000)': keep", "below a path stands one exact"),
        ("RequestAttributesSequence > StudyID: keep", "can never match: RequestAttributesSequence above it goes"),
        ("'RequestAttributesSequence > ': keep", "is no keyword"),
        # what does not fit
        ("PixelSpacing > StudyID: keep", "is no sequence"),
        ("Rows: {regexp: [a, b]}", "regexp is for text, and this is US"),
        ("IconImageSequence: {regexp: [a, b]}", "regexp is for text, and this is SQ"),
        ("EncapsulatedDocument: {regexp: [a, b]}", "regexp is for text, and this is OB"),
        ("'(60xx,3000)': {regexp: [a, b]}", "regexp is for text, and this is OB"),
        ("PatientName: shift_date", "shift_date is for a date"),
        ("StudyTime: shift_date", "times never move"),
        ("PatientName: year_only", "year_only is for a date"),
        ("PatientName: age_cap", "age_cap is for an age"),
        ("PatientName: replace_UID", "replace_UID is for a UID"),
        ("AccessionNumber: pseudonym", "pseudonym is for text of 21 characters, and this is SH"),
        ("Rows: {allow: ['512']}", "allow is for text, and this is US"),
        ("Rows: clean", "clean is for text"),
        ("Rows: {replace_with_value: '512'}", "replace_with_value is for text"),
        ("StudyID: {replace_with_value: much too long for it}", "a value of SH has at most 16"),
        ("Modality: {replace_with_value: ct}", "'ct' is no value of CS"),
        ("StudyDate: {replace_with_value: 2020-01-01}", "a value of DA has at most 8"),
        ("StudyDate: {replace_with_value: '20201301'}", "'20201301' is no value of DA"),
        ("StudyTime: {replace_with_value: '2530'}", "'2530' is no value of TM"),
        ("AcquisitionDateTime: {replace_with_value: '2020010125'}", "is no value of DT"),
        ("PatientWeight: {replace_with_value: heavy}", "'heavy' is no value of DS"),
        ("PatientAge: {replace_with_value: '60'}", "'60' is no value of AS"),
        ("StudyInstanceUID: {replace_with_value: 1.02.3}", "'1.02.3' is no value of UI"),
        ("InstitutionName: {replace_with_value: Universität}", "ASCII"),
        ('InstitutionName: {replace_with_value: "a\\tb"}', "a control character"),
        ("StudyID: {allow: [T1, this one is far too long]}", "a value of SH has at most 16"),
        ("StudyID: {allow: [T1, T1]}", "allowed twice"),
        ("StudyID: {allow: [T1, '']}", "an allowed value is empty"),
        # patterns
        ("StudyID: {regexp: ['(', x]}", "the regular expression is wrong"),
        ("StudyID: {regexp: [a, '\\1']}", "the regular expression is wrong"),
        ("StudyID: {regexp: [a, '\\g<b>']}", "the regular expression is wrong"),
        ("StudyID: {regexp: ['(a+)+$', x]}", "can take forever"),
        ("StudyID: {regexp: ['(a|ab)*$', x]}", "can take forever"),
        ("StudyID: {regexp: ['(?=(a+)*)b', x]}", "can take forever"),
        ("StudyID: {regexp: ['((a{1,16}){1,16}){1,16}b', x]}", "can take forever"),
        ("StudyID: {regexp: ['(a?){20}b', x]}", "can take forever"),
        ("StudyID: {regexp: ['a?a?a?a?a?.*.*x', y]}", "more than 3 open repetitions"),
        ("StudyID: {regexp: ['.*.*.*.*x', y]}", "more than 3 open repetitions"),
        (f"StudyID: {{regexp: [{'a' * 501}, y]}}", "at most 500 characters"),
        ("StudyID: {regexp: [a, ä]}", "printable ASCII"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_meant(tmp_path: Path, rule: str, said: str) -> None:
    message = refused(tmp_path, f"extends: basic\nrules:\n  {rule}")
    assert message.startswith("mine.yaml:3: ") and said in message


@pytest.mark.parametrize(
    "rules",
    [
        "PatientName: keep\n  PatientName: keep",
        "PatientName: keep\n  (0010,0010): delete",
        "'(0010, 0010)': keep\n  '(0x0010,0x0010)': delete",
        "'(60XX,3000)': keep\n  '(60xx,3000)': delete",
        "'(0019,xx01, \"A\")': keep\n  '(0019,xx01,\"A\")': delete",
        "'(60xx,3000)': keep\n  '(6000,xxxx)': delete",
        "RequestAttributesSequence: keep\n  RequestAttributesSequence > StudyID: keep\n  (0040,0275) > StudyID: empty",
    ],
)
def test_two_rules_for_one_attribute_contradict(tmp_path: Path, rules: str) -> None:
    last = 3 + rules.count("\n")
    message = refused(tmp_path, f"extends: basic\nrules:\n  {rules}")
    assert message.startswith(f"mine.yaml:{last}: contradicts mine.yaml:{last - 1}")


def test_the_exact_wins_over_a_pattern_and_the_narrow_over_the_wide(tmp_path: Path) -> None:
    rules = "'(0008,xxxx)': delete\n  '(0008,009x)': empty\n  ReferringPhysicianName: keep"
    rows = {row.keyword: row.action for row in describe(load(tmp_path, f"extends: basic\nrules:\n  {rules}"))}
    assert (rows["ReferringPhysicianName"], rows["ReferringPhysicianAddress"]) == ("keep", "empty")
    assert rows["StationName"] == "delete"


def test_a_childs_pattern_wins_over_its_parents(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("extends: basic\nrules:\n  '(0008,009x)': delete")
    rows = describe(load(tmp_path, "extends: parent\nrules:\n  '(0008,00xx)': keep"))
    assert {row.keyword: row.action for row in rows}["ReferringPhysicianName"] == "keep"


def test_a_path_below_a_kept_sequence_is_fine_also_if_the_parent_recipe_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("extends: basic\nrules: {RequestAttributesSequence: keep}")
    load(tmp_path, "extends: parent\nrules:\n  RequestAttributesSequence > StudyID: keep")
    gone = "rules:\n  RequestAttributesSequence: delete\n  RequestAttributesSequence > StudyID: keep"
    assert refused(tmp_path, f"extends: parent\n{gone}").startswith("mine.yaml:4: can never match")


@pytest.mark.parametrize(("pattern", "longest"), [("a*b", 16384), ("a*a*b", 1024), ("a*a*a*b", 256)])
def test_the_worst_value_takes_seconds_and_a_longer_one_is_emptied(
    tmp_path: Path, pattern: str, longest: int
) -> None:
    path = written(tmp_path, f"extends: basic\nrules: {{ImageComments: {{regexp: ['{pattern}', x]}}}}")
    for size, stays in ((longest, True), (longest + 2, False)):
        ds = ct()
        ds.add_new(0x00204000, "UT", "a" * size)
        before = time.monotonic()
        out, _ = cleaned(ds, str(path))
        assert time.monotonic() - before < 30
        assert (b"a" * size in out) is stays


@pytest.mark.parametrize(
    "pattern", [r"(\d{3}-)+", "(a|b)?c", "^0+", r"(\w+) (\w+)", "0701$", r"(\d{4})\d{4}"]
)
def test_an_honest_pattern_is_taken(tmp_path: Path, pattern: str) -> None:
    assert load(tmp_path, f"extends: basic\nrules:\n  StudyID: {{regexp: ['{pattern}', x]}}").lines


def test_a_private_rule_by_number_keeps_the_creator_that_explains_it(tmp_path: Path) -> None:
    ds = ct()
    ds.add_new(0x00190010, "LO", "ACME")
    ds.add_new(0x00190011, "LO", "OTHER")
    ds.add_new(0x00191001, "LO", "kernel B30")
    ds.add_new(0x00191002, "LO", "kernel B40")
    out, clean = cleaned(ds, str(written(tmp_path, "extends: basic\nrules: {'(0x0019, 0x1001)': keep}")))
    private = {element.tag: element.value for element in read(out, clean) if element.tag.is_private}
    assert private == {0x00190010: "ACME", 0x00191001: "kernel B30"}
