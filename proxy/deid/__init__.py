"""De-identification: bytes in, clean bytes, a seal and a report out. Knows nothing of the house around it.

In a script (docs/library.md, examples/):

    keyed = new_key(Path("key"))            # once; read_key(Path("key")) from then on
    engine = Engine(load_recipe("basic"))   # or load_recipe("mine.yaml"); immutable, for any number of threads
    deidentify_file(Path("in.dcm"), Path("out.dcm"), engine, keyed.subject)

What cannot be cleaned raises a DeidError: HeldError (a gate says no), Unreadable (the file's fault), RecipeError
(the recipe's, with file and line), EngineFault (ours). Nothing is written then.

In pieces, as it comes from the wire:

engine = Engine(load_recipe("basic"))
work = engine.begin(transfer_syntax)
work.feed(view) ...                # until work.facts is known, or all was fed and work.end() said so
holds = work.settle(subject)       # who it is from now on
work.take(); work.feed(view) ...
clean = work.finish()
"""

from proxy.deid.context import INDEXED, Hold, Subject
from proxy.deid.describe import Row, describe
from proxy.deid.engine import Engine, deidentify
from proxy.deid.errors import (
    DeidError,
    EngineFault,
    RecipeError,
    TooDeep,
    TooInflated,
    TooLarge,
    TooMuchToMask,
    Unreadable,
    WrongSeal,
)
from proxy.deid.facts import Facts
from proxy.deid.folder import Fate, deidentify_folder
from proxy.deid.identifiers import (
    map_uid,
    normalise_id,
    pseudonym,
    shift_date,
    shift_days,
    subject_uid_key,
)
from proxy.deid.keyed import Keyed, KeyTrouble, Nameless, new_key, read_key
from proxy.deid.library import HeldError, deidentify_bytes, deidentify_dataset, deidentify_file
from proxy.deid.lockbox import Lockbox
from proxy.deid.oneoff import recipe_with
from proxy.deid.part10 import Part10, make_meta, split
from proxy.deid.parts import Limits
from proxy.deid.passing import Clean, Pass
from proxy.deid.recipe import KEEP_ALL, Recipe, load_recipe
from proxy.deid.report import Report
from proxy.deid.restore import original_syntax, restore, restore_file, restored_pieces
from proxy.deid.reunite import Reunited, restore_elements

__all__ = [
    "INDEXED",
    "KEEP_ALL",
    "Clean",
    "DeidError",
    "Engine",
    "EngineFault",
    "Facts",
    "Fate",
    "HeldError",
    "Hold",
    "KeyTrouble",
    "Keyed",
    "Limits",
    "Lockbox",
    "Nameless",
    "Part10",
    "Pass",
    "Recipe",
    "RecipeError",
    "Report",
    "Reunited",
    "Row",
    "Subject",
    "TooDeep",
    "TooInflated",
    "TooLarge",
    "TooMuchToMask",
    "Unreadable",
    "WrongSeal",
    "deidentify",
    "deidentify_bytes",
    "deidentify_dataset",
    "deidentify_file",
    "deidentify_folder",
    "describe",
    "load_recipe",
    "make_meta",
    "map_uid",
    "new_key",
    "normalise_id",
    "original_syntax",
    "pseudonym",
    "read_key",
    "recipe_with",
    "restore",
    "restore_elements",
    "restore_file",
    "restored_pieces",
    "shift_date",
    "shift_days",
    "split",
    "subject_uid_key",
]
