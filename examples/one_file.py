"""De-identify one file: python one_file.py IN.dcm OUT.dcm KEY

The key file is made if it is not there. Keep it as you would keep the names: all pseudonyms follow from it.
"""

import sys
from pathlib import Path

from proxy.deid import Engine, HeldError, deidentify_file, load_recipe, new_key, read_key

source, target, key_file = (Path(word) for word in sys.argv[1:4])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
try:
    clean = deidentify_file(source, target, Engine(load_recipe("basic")), keyed.subject)
    print("clean:", ", ".join(clean.report.codes))
except HeldError as held:
    sys.exit(str(held))
