"""Only listed values stay (C16): python allow_list.py IN.dcm OUT.dcm KEY VOCABULARY.json

The vocabulary is JSON: {"0008,1030": ["CT HEAD", "CT THORAX"]}. Listed values stay, every other is emptied.
"""

import json
import sys
from pathlib import Path

from proxy.deid import Engine, deidentify_file, new_key, read_key, recipe_with

source, target, key_file, vocabulary = (Path(word) for word in sys.argv[1:5])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
listed = json.loads(vocabulary.read_text(encoding="utf-8"))
recipe = recipe_with("basic", {tag: {"allow": values} for tag, values in listed.items()})
deidentify_file(source, target, Engine(recipe), keyed.subject)
