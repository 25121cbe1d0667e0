"""What the doors to identities are asked: names of ours, few enough, and why. Their values are never quoted."""

from typing import Any, Final

from rest_framework import serializers

MOST: Final = 100
PSEUDONYM: Final = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z"
UID: Final = r"^[0-9]+(\.[0-9]+)*\Z"


class Purpose(serializers.Serializer[Any]):
    purpose = serializers.CharField(
        max_length=1000, help_text="Why you need to know. It stands in the audit, with your name."
    )


class Word(serializers.RegexField):
    """Text that is meant as it stands: the framework would make text of numbers, and trim it."""

    def __init__(self, regex: str, **more: Any) -> None:
        super().__init__(regex, trim_whitespace=False, **more)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


def _pseudonym() -> Any:
    return Word(PSEUDONYM, max_length=64, help_text="The pseudonym: Patient ID of the clean images.")


def _uid(what: str) -> Any:
    return Word(UID, max_length=64, help_text=f"Of the clean {what}, not the original one.")


def _many(one: Any) -> Any:
    return serializers.ListField(child=one, min_length=1, max_length=MOST, help_text=f"1 to {MOST} of them.")


class OnePatient(Purpose):
    anonymous_patient_id = _pseudonym()


class OneStudy(Purpose):
    study_instance_uid = _uid("study")


class OneSeries(Purpose):
    series_instance_uid = _uid("series")


class ManyPatients(Purpose):
    anonymous_patient_ids = _many(_pseudonym())


class ManyStudies(Purpose):
    study_instance_uids = _many(_uid("study"))


class ManySeries(Purpose):
    series_instance_uids = _many(_uid("series"))
