"""`postern-deid IN OUT`: the engine as a command, without database and Django. Exit codes: 0 if every DICOM file came
out clean, 1 if one was held or refused or something was wrong with the call's files, 2 for wrong arguments."""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from proxy.deid.engine import Engine
from proxy.deid.errors import DeidError
from proxy.deid.folder import CLEAN, HELD, NOT_DICOM, REFUSED, Fate, deidentify_folder, deidentify_one
from proxy.deid.keyed import Keyed, new_key, read_key
from proxy.deid.lockbox import Lockbox
from proxy.deid.oneoff import recipe_with, rules_of


def main(words: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = _parser()
    said = parser.parse_args(words)
    if (said.source is None) != (said.target is None) or (said.source is None and not said.new_key):
        parser.error("IN and OUT are needed")
    try:
        keyed = new_key(said.key_file) if said.new_key else read_key(said.key_file)
        return 0 if said.source is None else _run(said, keyed)
    except DeidError as trouble:
        print(f"postern-deid: {trouble}", file=sys.stderr)
        return 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="postern-deid",
        description="Take the identity out of a DICOM file, or of all files below a folder. Pseudonyms follow from the "
        "key: keep the key file as you would keep the names. The result is personal data still.",
    )
    add = parser.add_argument
    add("source", metavar="IN", nargs="?", type=Path, help="a file or a folder")
    add(
        "target",
        metavar="OUT",
        nargs="?",
        type=Path,
        help="a folder; for one file also a path such as clean.dcm",
    )
    add(
        "--key-file",
        metavar="FILE",
        type=Path,
        required=True,
        help="the secret that all pseudonyms follow from",
    )
    add("--new-key", action="store_true", help="make the key file (mode 0600); without IN and OUT only that")
    add("--recipe", default="basic", help="a shipped recipe's name or a file's path (default: basic)")
    add(
        "-t", dest="tags", action="append", nargs="+", default=[], metavar=("TAG", "ACTION"),
        help="a rule on top of the recipe, for instance -t '(0x0010,0x0020)' keep; may stand several times",
    )  # fmt: skip
    add("--dictionary", type=Path, metavar="FILE.json", help="such rules as JSON: tag to action")
    add("--keepPrivateTags", action="store_true", help="private attributes stay, and are hunted")
    add("--issuer", default="", help="the Issuer of Patient ID where an object names none")
    add(
        "--seals", type=Path, metavar="FOLDER",
        help="keep what was taken out here, encrypted under a key that follows from the key file",
    )  # fmt: skip
    return parser


def _run(said: Namespace, keyed: Keyed) -> int:
    engine = Engine(
        recipe_with(said.recipe, rules_of(said.tags, said.dictionary), keep_private=said.keepPrivateTags)
    )
    fates = list(_fates(said, engine, Keyed(keyed.key, said.issuer)))
    _tell(fates)
    return 1 if any(fate.kind in {HELD, REFUSED} for fate in fates) else 0


def _fates(said: Namespace, engine: Engine, keyed: Keyed) -> Iterable[Fate]:
    keep = Lockbox(said.seals, keyed).put if said.seals else None
    if said.source.is_file() and said.target.suffix and not said.target.is_dir():
        return [deidentify_one(said.source, said.target, engine, keyed.subject, keep)]
    return deidentify_folder(said.source, said.target, engine, keyed.subject, keep)


def _tell(fates: Sequence[Fate]) -> None:
    """Files are told by their place in the batch: their names may name somebody."""
    counts = Counter(fate.kind for fate in fates)
    for kind in (CLEAN, HELD, REFUSED, NOT_DICOM):
        print(f"{counts[kind]:8} {kind}")
    for number, fate in enumerate(fates, start=1):
        if fate.kind in {HELD, REFUSED}:
            print(f"file {number} {fate.kind}: {fate.reason}")


def run() -> None:
    sys.exit(main())
