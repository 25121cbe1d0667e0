"""A function of one's own for an attribute (W19): python birth_year.py IN.dcm OUT.dcm KEY

Keeps everything, but the birth date becomes YYYY0101. The function gets a Dataset with just this attribute, and may
change it, delete it or leave it. What it does is sealed like any other change.
"""

import sys
from pathlib import Path
from typing import Any

from proxy.deid import KEEP_ALL, Engine, deidentify_file, new_key, read_key

PATIENT_BIRTH_DATE = 0x00100030


def year_only(dataset: Any, tag: Any) -> None:
    dataset[tag].value = dataset[tag].value[:4] + "0101"


source, target, key_file = (Path(word) for word in sys.argv[1:4])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
deidentify_file(source, target, Engine(KEEP_ALL, functions={PATIENT_BIRTH_DATE: year_only}), keyed.subject)
