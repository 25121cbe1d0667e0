"""A caller's own function for an attribute (W19): it gets a pydicom view of the element, and may be slow.

The function is called as `function(dataset, tag)`, the way dicom-anonymizer calls it, with a Dataset that holds just
this element. It may change the element, delete it, or leave it; what it does is sealed like any other change.
"""

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import dcmwrite
from pydicom.tag import Tag

from proxy.deid.rules import Action

if TYPE_CHECKING:
    from proxy.deid.splice import Splice
    from proxy.deid.stream import Token

Function: TypeAlias = Callable[[Any, Any], None]  # (pydicom Dataset with this one element, its tag)


def custom(function: Function) -> Action:
    def act(splice: "Splice", token: "Token") -> None:
        rule, start, _, end, _ = token
        original = splice.buf[start:end]
        view = _decoded(original, rule.explicit, splice.context.charset)
        function(view, Tag(rule.tag))
        if Tag(rule.tag) not in view:
            splice.drop(token)
            return
        new = _encoded(view, rule.explicit)
        if not splice.depth:
            splice.context.note(rule.tag, new[12 if rule.long else 8 :].strip(b" \0"))
        if new != original:
            splice.log.append((rule.tag, "custom"))
            splice.replace(start, end, new)

    return act


def _decoded(element: bytes, explicit: bool, charset: bytes) -> Dataset:
    view = read_dataset(BytesIO(element), not explicit, True)
    view.set_original_encoding(not explicit, True, charset.decode("ascii", "replace").split("\\"))
    return view


def _encoded(view: Dataset, explicit: bool) -> bytes:
    out = BytesIO()
    dcmwrite(out, view, implicit_vr=not explicit, little_endian=True, enforce_file_format=False)
    return out.getvalue()
