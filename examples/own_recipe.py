"""A recipe of one's own: python own_recipe.py IN.dcm OUT.dcm KEY [RECIPE.yaml]

Without a recipe it takes own_recipe.yaml beside this script. What is wrong with a recipe is said with file and line.
"""

import sys
from pathlib import Path

from proxy.deid import Engine, RecipeError, deidentify_file, load_recipe, new_key, read_key

source, target, key_file, *more = (Path(word) for word in sys.argv[1:5])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
try:
    recipe = load_recipe(str(more[0] if more else Path(__file__).with_suffix(".yaml")))
except RecipeError as error:
    sys.exit(str(error))
deidentify_file(source, target, Engine(recipe), keyed.subject)
