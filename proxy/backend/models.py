"""What the backend said last, and which nodes are its."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from proxy.backend.lifecycle import LIFE
from proxy.backend.users import role
from proxy.backend.values import ID
from proxy.routing.models import Node, Project


class Standing(models.Model):
    """One row: how we stand with the backend. A start without the backend goes on with it."""

    NEVER, KNOWN, AWAY = "never", "known", "away"
    UNAUTHORISED, INACTIVE, UNKNOWN, NONSENSE = "unauthorised", "inactive", "unknown", "nonsense"
    STATES = (
        (NEVER, "never asked"),
        (KNOWN, "known"),
        (AWAY, "out of reach"),
        (UNAUTHORISED, "our key is not accepted"),
        (INACTIVE, "we are inactive there"),
        (UNKNOWN, "it does not know us"),
        (NONSENSE, "its answer makes no sense"),
    )

    state = models.CharField(max_length=12, choices=STATES, default=NEVER)
    reason = models.CharField(max_length=255, blank=True, default="")
    asked_at = models.DateTimeField(null=True, blank=True)
    known_at = models.DateTimeField(null=True, blank=True, help_text="The last good configuration came then.")
    said = models.JSONField(default=dict, blank=True, help_text="The last good value of each field.")
    refused = models.JSONField(default=list, blank=True, help_text="Fields that were not believed, and why.")
    unknown = models.JSONField(default=list, blank=True, help_text="Names of fields that we do not know.")
    workspace = models.CharField(max_length=64, blank=True, default="")
    is_active = models.BooleanField(default=True, help_text="If not, associations are refused.")
    is_private = models.BooleanField(default=False, help_text="Only nodes come in, whatever DICOM_MODE says.")
    anonymize = models.BooleanField(default=True, help_text="What it says; ITH_DECIDES says if that counts.")
    connected_at = models.DateTimeField(null=True, blank=True, help_text="The WebSocket stands since then.")
    heard_at = models.DateTimeField(null=True, blank=True, help_text="Over the WebSocket.")

    class Meta:
        verbose_name = verbose_name_plural = "backend"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "never", "known", "away", "unauthorised", "inactive", "unknown", "nonsense",
                    ]
                ),
                name="backend_standing_state_known",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.get_state_display()


class BackendNode(models.Model):
    """A node of the backend, and the node of ours that it is: one made for it, or one that the site has named."""

    backend_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=64, help_text="As the backend calls it.")
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.PROTECT, related_name="backend_nodes"
    )
    reads = models.BooleanField(default=False)
    writes = models.BooleanField(default=False)
    is_active = models.BooleanField(default=False, help_text="It is named, active, and not barred.")
    barred_at = models.DateTimeField(null=True, blank=True, help_text="A person took it out of force.")
    confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="A person knows that this address is what it says; a change ends it."
    )
    confirmed_by = models.CharField(max_length=150, blank=True, default="")
    is_reachable = models.BooleanField(null=True, blank=True, help_text="Its last C-ECHO.")
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "node of the backend"
        verbose_name_plural = "nodes of the backend"

    def __str__(self) -> str:
        return self.name


class Outgoing(models.Model):
    """A message that must arrive. A newer one under the same key takes its place."""

    key = models.CharField(max_length=100, unique=True)
    body = models.JSONField()
    version = models.PositiveIntegerField(default=1)
    put_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(db_index=True, help_text="When it is sent, or sent again.")
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "message to the backend"
        verbose_name_plural = "messages to the backend"

    def __str__(self) -> str:
        return self.key


class Dispatch(models.Model):
    """A session, scan or subject that the backend wants sent to the hospital's nodes. Its ids are the backend's."""

    kind = models.CharField(max_length=16, help_text="session, scan or subject.")
    entity = models.CharField(max_length=64)
    subject = models.CharField(max_length=64, blank=True, default="")
    correlation = models.CharField(max_length=64, blank=True, default="")
    key = models.CharField(max_length=32, blank=True, default="", help_text="Tells a repeated event.")
    state = models.CharField(max_length=16, choices=LIFE.choices, default=LIFE.first)
    token = models.CharField(max_length=32, blank=True, default="", help_text="Of the claim that holds it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    total = models.PositiveIntegerField(default=0, help_text="Images in it.")
    sent = models.PositiveIntegerField(
        default=0, help_text="Images that have arrived, or go home as results."
    )
    done = models.JSONField(default=dict, blank=True, help_text="By node, the images that it has.")
    reason = models.CharField(max_length=255, blank=True, default="")
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "dispatches"
        constraints = [
            LIFE.check("dispatch_state_known"),
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="one_dispatch_for_an_event"),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(state="waiting"), name="dispatch_waiting"),
            models.Index(
                fields=["finished_at"], condition=Q(state__in=["completed", "failed"]), name="dispatch_over"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.entity}"


class Deletion(models.Model):
    """What the backend says that it has deleted. It changes nothing of ours; only what it had dispatched of it ends."""

    kind = models.CharField(max_length=16, help_text="session, scan or subject.")
    entity = models.CharField(max_length=64)
    said_at = models.DateTimeField(db_index=True, help_text="When it said so last.")
    given_up = models.PositiveIntegerField(default=0, help_text="Dispatches of it that ended.")

    class Meta:
        verbose_name = "deletion by the backend"
        verbose_name_plural = "deletions by the backend"
        constraints = [models.UniqueConstraint(fields=["kind", "entity"], name="one_deletion_of_a_thing")]

    def __str__(self) -> str:
        return f"{self.kind} {self.entity}"


class UserRight(models.Model):
    """Some of the backend's users may see who somebody is, in one project and until a day. People on site say so."""

    USER, ROLE = "user", "role"
    WHOM = ((USER, "one user"), (ROLE, "everybody in a role"))

    whom = models.CharField(max_length=4, choices=WHOM)
    name = models.CharField(
        max_length=64, help_text="The backend's id of the user, or its word for the role."
    )
    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    until = models.DateField(db_index=True, help_text="Its last day.")

    class Meta:
        verbose_name = "right of the backend's users"
        verbose_name_plural = "rights of the backend's users"
        constraints = [
            models.UniqueConstraint(fields=["whom", "name", "project"], name="one_right_of_a_user_or_role"),
            models.CheckConstraint(condition=Q(whom__in=["user", "role"]), name="right_whom_known"),
        ]

    def __str__(self) -> str:
        return f"{self.whom} {self.name} in project {self.project_id} until {self.until}"

    def clean(self) -> None:
        """As users and roles are compared."""
        if self.whom == self.ROLE:
            self.name = role(self.name)
        elif not ID.fullmatch(self.name):
            self.name = ""
        if not self.name:
            raise ValidationError({"name": "The backend has no such user and no such role."})
