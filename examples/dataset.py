"""De-identify a pydicom Dataset (W20): python dataset.py IN.dcm OUT.dcm KEY

The given Dataset stays as it is; `proxy.deid.compat.anonymize_dataset` changes it in place.
"""

import sys
from pathlib import Path

from pydicom import dcmread

from proxy.deid import Engine, deidentify_dataset, load_recipe, new_key, read_key

source, target, key_file = (Path(word) for word in sys.argv[1:4])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
ds = dcmread(source)
ds, clean = deidentify_dataset(ds, Engine(load_recipe("basic")), keyed.subject)
print(ds.PatientID, len(clean.report.actions), "attributes were changed or removed")
ds.save_as(target)
