"""dciodvfy (dicom3tools) finds no error in a clean image that the original did not have."""

import re
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.deid import DeidError, Engine, deidentify_bytes, load_recipe
from tests.deid import corpus
from tests.deid.corpus import SUBJECT

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]
OPEN = {"burned-in": "accept", "documents": "accept", "structured-reports": "clean"}
JUDGE = shutil.which("dciodvfy")
LARGEST = 4 << 20  # of a larger one its pixels only cost time
DEFLATED = "1.2.840.10008.1.2.1.99"  # the judge cannot inflate


def errors(file: Path) -> Counter[str]:
    """Error lines without values and positions, which differ by what was replaced."""
    assert JUDGE, "dciodvfy is missing: make test-deps"
    done = subprocess.run([JUDGE, "-new", str(file)], capture_output=True, timeout=150, check=False)
    lines = done.stderr.decode("latin-1").splitlines() + done.stdout.decode("latin-1").splitlines()
    return Counter(
        re.sub(r"(= <[^>]*>|\[\d+\]|0x[0-9a-f]+ dec \d+|\d{4,})", "", line)
        for line in lines
        if line.startswith("Error")
    )


def originals() -> list[Path]:
    small = (path for path in corpus.paths() if path.stat().st_size < LARGEST)
    return [path for path in small if (parts := corpus.part10(path)) and parts.syntax != DEFLATED]


@pytest.mark.parametrize("recipe", ["basic", "research"])
def test_a_clean_image_is_as_valid_as_the_original(recipe: str, tmp_path: Path) -> None:
    chosen = load_recipe(recipe)
    engine = Engine(replace(chosen, gates={**chosen.gates, **OPEN}))

    def fresh(number: int, path: Path) -> tuple[str, list[str]]:
        try:
            clean, _ = deidentify_bytes(path.read_bytes(), engine, lambda facts: SUBJECT)
        except DeidError:
            return "", []
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(clean)
        new = errors(file) - errors(path)
        return path.name, sorted(new)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(fresh, *zip(*enumerate(originals()), strict=True)))
    looked = [name for name, _ in results if name]
    assert len(looked) > 60
    assert {name: new for name, new in results if new} == {}
