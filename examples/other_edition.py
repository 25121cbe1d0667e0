"""The table of another edition of PS3.15 (W14): python other_edition.py IN.dcm OUT.dcm KEY 2024b

In a recipe of one's own it is one line: `edition: 2024b`.
"""

import sys
from pathlib import Path

from proxy.deid import Engine, deidentify_file, new_key, read_key, recipe_with

source, target, key_file = (Path(word) for word in sys.argv[1:4])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
recipe = recipe_with("basic", edition=sys.argv[4])
deidentify_file(source, target, Engine(recipe), keyed.subject)
