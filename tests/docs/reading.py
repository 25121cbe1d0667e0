"""What the documentation says, as values: settings of .env.example, settings of the code, commands, tables."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTING = re.compile(r"(# )?([A-Z][A-Z0-9_]+)=(.*)")


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as .env.example describes it."""

    name: str
    default: str
    sentence: str


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def described() -> list[Described]:
    """Each setting of .env.example with the comment lines right above it."""
    found: list[Described] = []
    above: list[str] = []
    for line in text(".env.example").splitlines():
        if match := SETTING.fullmatch(line):
            found.append(Described(match[2], match[3], " ".join(above)))
            above = []
        elif line.startswith("# ") and "---" not in line:
            above.append(line.removeprefix("# "))
        else:
            above = []
    return found


def declared() -> dict[str, ast.Call]:
    """Each `reading.kind("NAME", default, ...)` of config/settings.py."""
    calls = [node for node in ast.walk(ast.parse(text("config/settings.py"))) if isinstance(node, ast.Call)]
    return {name: call for call in calls if (name := _name(call))}


def _name(call: ast.Call) -> str | None:
    if not (isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)):
        return None
    if (
        call.func.value.id not in {"reading", "database"}
        or call.func.attr in {"kept", "load_env_file", "refuse"}
        or not call.args
    ):
        return None
    first = call.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def default_of(call: ast.Call) -> str | None:
    """The default as .env.example would write it; None where it is made of other settings."""
    try:
        value = ast.literal_eval(call.args[1])
    except ValueError:
        return None
    return ",".join(value) if isinstance(value, list) else str(value)


def commands() -> set[str]:
    folder = ROOT / "proxy" / "management" / "commands"
    return {file.stem for file in folder.glob("*.py")} - {"__init__"}


def table(settings: list[Described]) -> str:
    """The table of docs/operations.md, made of .env.example."""
    rows = [
        f"| `{one.name}` | {f'`{one.default}`' if one.default else ''} | {one.sentence} |" for one in settings
    ]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows])
