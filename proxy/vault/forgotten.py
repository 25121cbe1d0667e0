"""The list of the forgotten, kept apart from the data: a restored backup still knows them, and must not.

One line for each, project and pseudonym, appended and fsynced before the forgetting is committed. It lies
beside the keys unless FORGOTTEN_FILE says otherwise; a place off this machine is best.
"""

from pathlib import Path

from django.conf import settings

from proxy.storage.lines import append


def remember(project_id: int, pseudonym: str) -> None:
    """Durable when it returns. Raises OSError, StorageFull."""
    append(Path(settings.FORGOTTEN_FILE), f"{project_id} {pseudonym}")


def listed() -> list[tuple[int, str]]:
    """Project and pseudonym of each; a line that a crash has cut short is no line."""
    path = Path(settings.FORGOTTEN_FILE)
    if not path.exists():
        return []
    lines = [line.split() for line in path.read_text(encoding="ascii").split("\n")[:-1]]
    return [(int(words[0]), words[1]) for words in lines if len(words) == 2 and words[0].isdigit()]
