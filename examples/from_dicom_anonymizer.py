"""A script of dicom-anonymizer with another import (W19, W20): python from_dicom_anonymizer.py IN.dcm OUT.dcm"""

import sys
from typing import Any

from pydicom import dcmread

from proxy.deid.compat import ALL_TAGS, anonymize_dataset, keep


def set_date_to_year(dataset: Any, tag: Any) -> None:
    element = dataset.get(tag)
    if element is not None:
        element.value = f"{element.value[:4]}0101"


extra_rules: dict[Any, Any] = dict.fromkeys(ALL_TAGS, keep)
extra_rules[0x0010, 0x0030] = set_date_to_year

dataset = dcmread(sys.argv[1])
anonymize_dataset(dataset, extra_rules, delete_private_tags=False)
dataset.save_as(sys.argv[2])
