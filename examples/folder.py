"""De-identify all files below a folder: python folder.py IN OUT KEY

One bad file ends nothing. Clean files lie under pseudonym, study and series, because names of files may be names of
persons.
"""

import sys
from collections import Counter
from pathlib import Path

from proxy.deid import Engine, deidentify_folder, load_recipe, new_key, read_key

source, target, key_file = (Path(word) for word in sys.argv[1:4])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
fates = list(deidentify_folder(source, target, Engine(load_recipe("basic")), keyed.subject))
print(dict(Counter(fate.kind for fate in fates)))
for number, fate in enumerate(fates, start=1):
    if fate.reason:
        print(f"file {number}: {fate.kind}: {fate.reason}")
