"""A library of masks that cannot mean anything is refused at load, with file and line."""

from pathlib import Path

import pytest

from proxy.deid import Engine, RecipeError, load_recipe
from proxy.deid.masks import load_entries, shipped
from proxy.deid.masks.entries import _KEYS

GOOD = "manufacturer: ACME, rectangles: [[0, 0, 100%, 10%]]"
MAKERS = {
    "GE Healthcare": "LOGIQ E9", "GE Vingmed Ultrasound": "Vivid E95", "Philips Medical Systems": "EPIQ 7G",
    "SIEMENS": "ACUSON S2000", "Acuson": "Sequoia", "TOSHIBA_MEC_US": "Aplio 500",
    "Canon Medical Systems": "Aplio i800",
    "SAMSUNG MEDISON CO., LTD.": "RS80A", "Mindray": "Resona 7", "Hitachi Medical": "Arietta", "Aloka": "ProSound",
}  # fmt: skip


@pytest.mark.parametrize(("maker", "model"), MAKERS.items())
def test_the_shipped_library_knows_the_banners_of_common_makers(maker: str, model: str) -> None:
    entry = next(entry for entry in shipped() if entry.fits(maker, model, "US", 768, 1024))
    assert [rectangle.box(768, 1024)[:3] for rectangle in entry.rectangles] == [(0, 0, 1024)]
    assert not any(entry.fits(maker, model, "CT", 768, 1024) for entry in shipped())
    assert not any(entry.fits("ACME", model, "US", 768, 1024) for entry in shipped())


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("entries: []", 1, "at least one entry"),
        ("entries: ge", 1, "at least one entry"),
        ("masks: []", 1, "unknown key 'masks'"),
        ("entries:\n  - ge", 2, "an entry is a mapping"),
        ("entries:\n  - {manufacturer: A, whole: true}", 2, "an entry has a name"),
        ("entries:\n  - {name: a, whole: true}", 2, "manufacturer says nothing"),
        ("entries:\n  - name: a\n    manufacturer: '('\n    whole: true", 3, "no regular expression"),
        ("entries:\n  - {name: a, manufacturer: A}", 2, "says rectangles"),
        ("entries:\n  - {name: a, manufacturer: A, whole: false}", 2, "whole can only be true"),
        ("entries:\n  - {name: a, manufacturer: A, outside: all}", 2, "outside can only be regions"),
        ("entries:\n  - {name: a, whole: true, " + GOOD + "}", 2, "says rectangles"),
        ("entries:\n  - {name: a, manufacture: A, whole: true}", 2, "did you mean manufacturer?"),
        ("entries:\n  - {name: a, rows: 0, " + GOOD + "}", 2, "rows is a number"),
        ("entries:\n  - {name: a, rows: 800-400, " + GOOD + "}", 2, "rows is a number"),
        ("entries:\n  - {name: a, columns: 65536, " + GOOD + "}", 2, "columns is a number"),
        ("entries:\n  - {name: a, " + GOOD + "}\n  - {name: a, " + GOOD + "}", 3, "a stands here twice"),
        ("entries:\n  - name: a\n    name: b\n    whole: true", 3, "name stands here twice"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: []", 4, "a list of"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: [[0, 0, 5]]", 4, "a rectangle is"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: [[0, 0, 0, 5%]]", 4, "covers nothing"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: [[0, 0, -1, 5%]]", 4, "a length is"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: [[0, 0, 1.5, 5%]]", 4, "a length is"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: [[0, 0, 101%, 5%]]", 4, "no share is more"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: [[1%, 0, 100%, 5%]]", 4, "out of the image"),
        ("entries:\n  - name: a\n    manufacturer: A\n    rectangles: [[0, 0, 10, 5%]]", 4, "one size only: say col"),
        (
            "entries:\n  - name: a\n    manufacturer: A\n    rows: 9\n    rectangles: [[0, 0, 5%, 10]]",
            5, "out of the image",
        ),
    ],
)  # fmt: skip
def test_a_library_that_cannot_mean_anything(tmp_path: Path, text: str, line: int, message: str) -> None:
    (tmp_path / "ours.yaml").write_text(text)
    with pytest.raises(RecipeError) as trouble:
        load_entries(tmp_path / "ours.yaml")
    assert str(trouble.value).startswith(f"ours.yaml:{line}: ") and message in str(trouble.value)


def test_a_recipe_names_a_library_beside_it(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("extends: basic\nburned-in: mask\nmasks: ours.yaml\n")
    with pytest.raises(RecipeError, match=r"r.yaml:3: there is no library of masks"):
        load_recipe(str(recipe))
    (tmp_path / "ours.yaml").write_text("entries:\n  - {name: a, " + GOOD + "}")
    assert [entry.name for entry in load_recipe(str(recipe)).masks] == ["a"]
    child = tmp_path / "child.yaml"
    child.write_text("extends: r\nmasks: more.yaml\n")
    (tmp_path / "more.yaml").write_text("entries:\n  - {name: b, " + GOOD + "}")
    assert [entry.name for entry in load_recipe(str(child)).masks] == ["b", "a"]
    recipe.write_text("extends: basic\nmasks: ours.yaml\n")
    with pytest.raises(RecipeError, match=r"r.yaml:2: masks is used only with burned-in: mask"):
        load_recipe(str(recipe))


def test_the_manual_names_every_key_and_its_library_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "masks.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in text for key in _KEYS)
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    (tmp_path / "recipe.yaml").write_text(blocks[0])
    (tmp_path / "our-masks.yaml").write_text(blocks[1])
    names = [entry.name for entry in load_recipe(str(tmp_path / "recipe.yaml")).masks]
    assert names == ["room-3", "old-machine", "only-the-scan", "dose-sheet"]


def test_the_option_clean_pixel_asks_for_masks_and_never_for_less(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("extends: basic\noptions: [clean-pixel]\n")
    assert load_recipe(str(recipe)).gate("burned-in") == "mask"
    assert (
        "113101" not in Engine(load_recipe(str(recipe))).compiled.codes
    )  # claimed by images, never by recipes
    for stricter in ("quarantine", "refuse", "mask"):
        recipe.write_text(f"extends: basic\noptions: [clean-pixel]\nburned-in: {stricter}\n")
        assert load_recipe(str(recipe)).gate("burned-in") == stricter
    recipe.write_text("extends: basic\noptions: [clean-pixel]\nburned-in: accept\n")
    with pytest.raises(RecipeError, match=r"r.yaml:3: the option clean-pixel and burned-in: accept exclude"):
        load_recipe(str(recipe))
