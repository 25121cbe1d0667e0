"""The parts of docs/conformance.md that are made of the code."""

import ast
import re
from collections.abc import Callable, Iterable

from pydicom.charset import python_encoding
from pydicom.uid import UID
from pynetdicom import sop_class

from proxy.deid import marks
from proxy.deid.recipe import GATES, SHIPPED, Recipe, load_recipe
from proxy.deid.tables import method_codes
from proxy.network import contexts, fetching, implementation, inquiring
from proxy.retrieval.query import attributes
from proxy.studies.nested import Part
from tests.docs import answers, marked, reading

SETTINGS = re.compile(
    r"DICOM_(?!STORAGE|LOG|AUTO|PACS)\w+|HEADER_LIMIT|DISK_WATERMARK|COMMITMENT_\w+|DELIVERY_(WORKERS|AT_ONCE|PAUSE\w*)"
)
"""Those that change what passes on the wire."""
_KEYWORDS = {
    str(uid): name for name, uid in vars(sop_class).items() if isinstance(uid, str) and name[0] != "_"
}
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])")


# --- classes and transfer syntaxes --------------------------------------------------------------------


def name_of(uid: str) -> str:
    """As PS3.6 calls it; of the newest only the keyword is known, which is taken apart."""
    name = UID(uid).name
    return name if name != uid else _WORD.sub(" ", _KEYWORDS[uid])


def default_classes() -> str:
    return _classes(contexts.accepted_classes(["default"]))


def other_classes() -> str:
    return _classes(set(contexts.accepted_classes(["all"])) - set(contexts.accepted_classes(["default"])))


def _classes(uids: Iterable[str]) -> str:
    rows = sorted((name_of(uid), f"`{uid}`") for uid in uids)
    return marked.table(["SOP class", "UID"], rows)


def never() -> str:
    return _classes(contexts.NEVER_ACCEPTED)


def syntaxes() -> str:
    rows = [(name_of(uid), f"`{uid}`", _kind(UID(uid))) for uid in contexts.TRANSFER_SYNTAXES]
    return marked.table(["transfer syntax", "UID", "encoding"], rows)


def _kind(syntax: UID) -> str:
    if syntax.is_encapsulated:
        return "encapsulated: pixel data pass bit for bit"
    return "deflated" if syntax.is_deflated else "native"


# --- associations and statuses ------------------------------------------------------------------------


def identity() -> str:
    names = [
        ("Implementation Class UID", f"`{implementation.CLASS_UID}`"),
        ("Implementation Version Name", f"`{implementation.VERSION_NAME}`"),
    ]
    return marked.table(["", ""], names)


def rejections() -> str:
    heads = ["result/source/reason", "result", "source", "reason", "when"]
    return marked.table(heads, answers.rejections())


def store_provider() -> str:
    heads = ["status", "meaning", "Error Comment (0000,0902)", "why", "afterwards"]
    return marked.table(heads, answers.store_provider())


def store_user() -> str:
    return marked.table(["status", "meaning", "behaviour", "what an operator reads"], answers.store_user())


def commitment_requests() -> str:
    return marked.table(["status", "when"], answers.requests())


def commitment_failures() -> str:
    return marked.table(["Failure Reason (0008,1197)", "when"], answers.failures())


def commitment_reports() -> str:
    return marked.table(["status", "when"], answers.reports())


def commitment_refusals() -> str:
    return marked.table(["Failure Reason (0008,1197)", "what an operator reads"], answers.refusals())


# --- queries ------------------------------------------------------------------------------------------


def query_attributes() -> str:
    heads = ["level", "attribute", "tag", "VR", "key", "matching"]
    return marked.table(heads, [_attribute(one) for one in attributes.TABLE])


def _attribute(one: attributes.Attribute) -> tuple[str, ...]:
    tag = f"({one.tag >> 16:04X},{one.tag & 0xFFFF:04X})"
    kinds = {
        "UI": "list of UIDs",
        "DA": "range",
        "TM": "range",
        "IS": "single value",
        "US": "single value",
        "SQ": "sequence",
    }
    how = kinds.get(one.vr, "wildcard") if one.matches else "none"
    return one.level, one.keyword, tag, one.vr, one.kind, how


def query_items() -> str:
    rows = [(one.keyword, ", ".join(map(_part, one.parts))) for one in attributes.TABLE if one.parts]
    return marked.table(["sequence", "attributes of its items"], rows)


def _part(one: Part) -> str:
    return f"{one.keyword} ({', '.join(map(_part, one.parts))})" if one.parts else one.keyword


def query_statuses() -> str:
    return marked.table(["status", "when"], answers.queries())


def query_user() -> str:
    return marked.table(["status", "what an operator reads"], answers.asked(inquiring.STATUSES))


def retrieve_user() -> str:
    return marked.table(["status", "what an operator reads"], answers.asked(fetching.STATUSES))


# --- configuration ------------------------------------------------------------------------------------


def settings() -> str:
    calls = reading.declared()
    rows = [
        (f"`{one.name}`", _range(calls[one.name]), f"`{one.default}`" if one.default else "", one.sentence)
        for one in reading.described()
        if SETTINGS.fullmatch(one.name)
    ]
    return marked.table(["parameter", "range", "default", "what it is"], rows)


def _range(call: ast.Call) -> str:
    kind = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    limits = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    if kind == "number":
        return f"{limits['low']:,} to {limits['high']:,}"
    if kind == "choice":
        return ", ".join(ast.literal_eval(call.args[2]))
    return {"boolean": "True, False", "ae_title": "1 to 16 characters"}.get(kind, "")


# --- de-identification --------------------------------------------------------------------------------


def recipes() -> str:
    heads = ["recipe", "Table E.1-1", "options", "dates", "(0028,0303)", *GATES, "codes in (0012,0064)"]
    names = sorted(file.stem for file in SHIPPED.glob("*.yaml"))
    return marked.table(heads, [_recipe(load_recipe(name)) for name in names])


def _recipe(recipe: Recipe) -> tuple[str, ...]:
    gates = [recipe.gate(name) for name in GATES]
    dates = "only the year stays" if recipe.dates == "year" else "as the options say"
    temporal = marks.temporal(recipe).decode("ascii")
    options, codes = ", ".join(sorted(recipe.options)) or "none", ", ".join(marks.codes_of(recipe))
    return f"`{recipe.name}`", recipe.edition, options, dates, temporal, *gates, codes


def codes() -> str:
    return marked.table(["code (DCM)", "meaning"], sorted(method_codes().items()))


def charsets() -> str:
    terms = [f"`{term}`" for term in python_encoding if term]
    return f"{', '.join(terms)}."


PARTS: dict[str, Callable[[], str]] = {
    "default-classes": default_classes,
    "other-classes": other_classes,
    "never": never,
    "syntaxes": syntaxes,
    "identity": identity,
    "rejections": rejections,
    "store-provider": store_provider,
    "store-user": store_user,
    "commitment-requests": commitment_requests,
    "commitment-failures": commitment_failures,
    "commitment-reports": commitment_reports,
    "commitment-refusals": commitment_refusals,
    "query-attributes": query_attributes,
    "query-items": query_items,
    "query-statuses": query_statuses,
    "query-user": query_user,
    "retrieve-user": retrieve_user,
    "settings": settings,
    "recipes": recipes,
    "codes": codes,
    "charsets": charsets,
}


def made() -> dict[str, str]:
    return {name: make() for name, make in PARTS.items()}
