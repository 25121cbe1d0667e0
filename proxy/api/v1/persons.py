"""`/v1/persons`: who a pseudonym is, that two are one, that an id was typed wrong, and that one is forgotten.

Asked in a body, for a purpose, and answered in one; each try leaves its mark, made by the vault. Where others could
read along on the way, nothing is asked of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import bodies
from proxy.api.answers import described
from proxy.api.asked import PSEUDONYM, Purpose, Word
from proxy.api.identities import refuse_in_clear
from proxy.api.problems import Problem
from proxy.api.telling import too_many
from proxy.api.v1.codes import PERSON
from proxy.api.v1.doors import AnyStaff
from proxy.api.v1.who import by
from proxy.retrieval.askers import asker
from proxy.routing.models import Project
from proxy.vault import corrections
from proxy.vault.corrections import Contradiction
from proxy.vault.forget import forget
from proxy.vault.reidentify import NotAllowed, Principal, TooMany, Unapproved, Unknown, identity_of
from proxy.vault.seals import Forgotten

LONG_STRING: Final = r"^[^\x00-\x1f\x7f\\]+\Z"  # PS3.5 6.2, VR LO
NO_PROJECT: Final = "There is no project of that name."


class Whom(Purpose):
    project = serializers.CharField(max_length=64, default="default", help_text="Whose pseudonyms these are.")
    pseudonym = Word(PSEUDONYM, max_length=64, help_text="Patient ID of the clean images.")


class WhomInto(Whom):
    into = Word(PSEUDONYM, max_length=64, help_text="Who both are from now on.")


class WhomRightly(Whom):
    """As it is written in images, and text: a number would lose its zeros."""

    patient_id = Word(LONG_STRING, max_length=64, help_text="The right Patient ID.")
    issuer = Word(
        LONG_STRING,
        max_length=64,
        required=False,
        allow_blank=True,
        default="",
        help_text="Its Issuer of Patient ID.",
    )


class IdentityAnswer(serializers.Serializer[Any]):
    pseudonym = serializers.CharField()
    patient_id = serializers.CharField()
    issuer = serializers.CharField()
    values = serializers.DictField(child=serializers.CharField(), help_text="What else identifies them.")


class ForgottenAnswer(serializers.Serializer[Any]):
    pseudonym = serializers.CharField()
    seals = serializers.IntegerField(help_text="So many images will never be restored.")
    uid_pairs = serializers.IntegerField()


class MergedAnswer(serializers.Serializer[Any]):
    pseudonym = serializers.CharField(help_text="Who they are from now on.")
    members = serializers.IntegerField()


class CorrectedAnswer(serializers.Serializer[Any]):
    pseudonym = serializers.CharField(help_text="As before: it stays theirs.")


class _Persons(AnyStaff):
    form: Any = Whom

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_in_clear(request)
        super().initial(request, *args, **kwargs)

    def decided(
        self, request: Request, act: Callable[[Principal, int, dict[str, Any]], dict[str, Any]]
    ) -> Response:
        said = bodies.taken(self.form, request)
        number = Project.objects.filter(name=said["project"]).values_list("pk", flat=True).first()
        if number is None:
            raise Problem(404, "not-found", NO_PROJECT)
        who = asker(by(request), request.user.has_perm)
        with _told(who.name):
            return Response(act(who, number, said))


class Reidentify(_Persons):
    @described(IdentityAnswer, Whom, codes=PERSON)
    def post(self, request: Request) -> Response:
        """Who a pseudonym is. Needs vault.view_identity and, where the project says so, a second person's approval."""
        return self.decided(request, _reidentify)


class Forget(_Persons):
    @described(ForgottenAnswer, Whom, codes=PERSON)
    def post(self, request: Request) -> Response:
        """Forget a person for good, with everybody merged with them. Needs vault.forget_person."""
        return self.decided(request, _forget)


class Merge(_Persons):
    form = WhomInto

    @described(MergedAnswer, WhomInto, codes=PERSON)
    def post(self, request: Request) -> Response:
        """Two persons are one from now on. Needs vault.correct_person."""
        return self.decided(request, _merge)


class Correct(_Persons):
    form = WhomRightly

    @described(CorrectedAnswer, WhomRightly, codes=PERSON)
    def post(self, request: Request) -> Response:
        """A person's Patient ID was typed wrong, and is another. Needs vault.correct_person."""
        return self.decided(request, _correct)


def _reidentify(who: Principal, project: int, said: dict[str, Any]) -> dict[str, Any]:
    found = identity_of(who, said["pseudonym"], project, said["purpose"])
    return {
        "pseudonym": found.pseudonym,
        "patient_id": found.patient_id,
        "issuer": found.issuer,
        "values": dict(found.values),
    }


def _forget(who: Principal, project: int, said: dict[str, Any]) -> dict[str, Any]:
    done = forget(who, said["pseudonym"], project, said["purpose"])
    return {"pseudonym": done.pseudonym, "seals": done.seals, "uid_pairs": done.uid_pairs}


def _merge(who: Principal, project: int, said: dict[str, Any]) -> dict[str, Any]:
    done = corrections.merge(who, said["pseudonym"], said["into"], project, said["purpose"])
    return {"pseudonym": done.survivor, "members": done.members}


def _correct(who: Principal, project: int, said: dict[str, Any]) -> dict[str, Any]:
    right = {"issuer": said["issuer"], "patient_id": said["patient_id"]}
    corrections.correct(who, said["pseudonym"], project, purpose=said["purpose"], **right)
    return {"pseudonym": said["pseudonym"]}


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the vault refuses, in terms of HTTP; its sentences name nobody."""
    try:
        yield
    except NotAllowed as refused:
        raise _refusal(refused, name) from None
    except Unknown as unknown:
        raise Problem(404, "not-found", str(unknown)) from None
    except Forgotten as gone:
        raise Problem(410, "forgotten", str(gone)) from None
    except Contradiction as contradiction:
        raise Problem(409, "contradiction", str(contradiction)) from None


def _refusal(refused: NotAllowed, name: str) -> Problem:
    if isinstance(refused, TooMany):
        return too_many(name)
    code = "approval-needed" if isinstance(refused, Unapproved) else "not-allowed"
    return Problem(403, code, str(refused))
