"""Who may speak to us, what we do with what they send, and where it goes.

`configure` retires rows and never deletes them: studies, deliveries and the ledger point at them for years.
"""

from django.db import models
from django.db.models import Q

SITE, BACKEND = "site", "backend"
ORIGINS = ((SITE, "the site"), (BACKEND, "the backend"))
BACKEND_PREFIX = "backend:"
"""Names of what the backend has made begin so; a site file uses no such name."""
CUSTOMER_PREFIX = "customer-"
"""Projects so named belong to the customer of the service whose name follows. A site file may name one, for routes
that lead into it, and retires none by not naming it."""


class Retirable(models.Model):
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="Out of force since; nothing is deleted."
    )

    class Meta:
        abstract = True

    @property
    def is_retired(self) -> bool:
        return self.retired_at is not None


class Project(Retirable):
    """One purpose, one set of pseudonyms: every unique key of a person or image includes the project."""

    name = models.SlugField(max_length=64, unique=True)
    recipe = models.CharField(
        max_length=255, default="basic", help_text="A shipped recipe's name or a file's path."
    )
    issuer = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="Issuer of Patient ID where image and node name none.",
    )
    second_approver = models.BooleanField(
        default=False,
        help_text="Whoever looks behind a pseudonym needs the approval of somebody else for the purpose.",
    )

    def __str__(self) -> str:
        return self.name


class Node(Retirable):
    """A DICOM peer. `may` is what it may ask of us; what we may send to it is said by a destination."""

    RIGHTS = ("store", "find", "retrieve")
    PSEUDONYMOUS, IDENTIFIED = "pseudonymous", "identified"
    VIEWS = ((PSEUDONYMOUS, "pseudonymous"), (IDENTIFIED, "identified"))
    SUCCESS, REFUSE = "success", "refuse"
    ON_HOLD = ((SUCCESS, "Success: we hold it"), (REFUSE, "a refusal"))
    OFF, ON, ANY_NAME = "off", "on", "any-name"
    TLS = ((OFF, "no"), (ON, "yes"), (ANY_NAME, "yes; any name of our authorities will do"))

    name = models.CharField(max_length=64, unique=True)
    origin = models.CharField(max_length=8, choices=ORIGINS, default=SITE, help_text="Who made it.")
    ae_title = models.CharField(max_length=16)
    host = models.CharField(max_length=255)
    port = models.PositiveIntegerField()
    may = models.JSONField(default=list, blank=True)
    view = models.CharField(max_length=16, choices=VIEWS, default=PSEUDONYMOUS)
    networks = models.JSONField(
        default=list, blank=True, help_text="CIDR networks it may call from; empty: any."
    )
    certificate = models.CharField(max_length=255, blank=True, default="")
    projects = models.ManyToManyField(Project, blank=True, help_text="Empty: all, for the pseudonymous view.")
    grant = models.JSONField(
        null=True, blank=True, help_text="Standing grant of an identified view: purpose, until."
    )
    issuer = models.CharField(max_length=64, blank=True, default="")
    outside = models.BooleanField(default=False, help_text="Sends results made from pseudonymous images.")
    on_hold = models.CharField(
        max_length=8,
        choices=ON_HOLD,
        default=SUCCESS,
        help_text="What it hears when an image goes to quarantine.",
    )
    tls = models.CharField(
        max_length=8,
        choices=TLS,
        default=OFF,
        help_text="Call it over TLS: with our DICOM_TLS_CERTIFICATE, trusting DICOM_TLS_AUTHORITIES.",
    )
    quirks = models.JSONField(default=list, blank=True, help_text="What we do differently for it.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(view__in=["pseudonymous", "identified"]), name="node_view_known"
            ),
            models.CheckConstraint(condition=Q(on_hold__in=["success", "refuse"]), name="node_on_hold_known"),
            models.CheckConstraint(condition=Q(tls__in=["off", "on", "any-name"]), name="node_tls_known"),
            models.CheckConstraint(condition=Q(origin__in=["site", "backend"]), name="node_origin_known"),
        ]

    def __str__(self) -> str:
        return self.name


class NodeToken(models.Model):
    """What a node shows over HTTP; it says what an association says: who calls, and whom. The secret is not here."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="tokens")
    called_ae = models.CharField(max_length=16, help_text="Whom it calls: that decides the route.")
    digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150)
    until = models.DateField(null=True, blank=True, help_text="Its last day; empty: until it is withdrawn.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True, help_text="To the hour.")

    def __str__(self) -> str:
        return f"token {self.pk} of {self.node}"


class Destination(Retirable):
    """Where studies go. Its rest is its own: no other destination notices (promise 10)."""

    DIMSE, FOLDER, DICOMWEB, BACKEND = "dimse", "folder", "dicomweb", "backend"
    KINDS = (
        (DIMSE, "DIMSE C-STORE"),
        (FOLDER, "folder"),
        (DICOMWEB, "DICOMweb STOW-RS"),
        (BACKEND, "the backend"),
    )
    AUTHS = (
        ("none", "nothing"),
        ("basic", "user and secret (HTTP Basic)"),
        ("header", "the secret in a header"),
        ("bearer", "the secret as a bearer token"),
        ("oauth2", "a token fetched with user and secret (OAuth2 client credentials)"),
    )

    name = models.CharField(max_length=64, unique=True)
    origin = models.CharField(max_length=8, choices=ORIGINS, default=SITE, help_text="Who made it.")
    kind = models.CharField(max_length=16, choices=KINDS)
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT)
    path = models.CharField(
        max_length=1024, blank=True, default="", help_text="For a folder; relative to DATA_DIR."
    )
    as_zip = models.BooleanField(
        default=False, help_text="For a folder: one ZIP for each study and revision."
    )
    template = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="For a folder: names of its files, such as {patient_id}/{study_uid}/{instance_uid}.dcm.",
    )
    associations = models.PositiveSmallIntegerField(
        default=1,
        help_text="For a DICOM node: associations that one delivery may have open at once, 1 to 16.",
    )
    commitment = models.BooleanField(
        default=False,
        help_text="For a DICOM node: an image counts as delivered when the node commits to keep it.",
    )
    url = models.CharField(
        max_length=1024,
        blank=True,
        default="",
        help_text="Of a DICOMweb service: what stands before /studies.",
    )
    auth = models.CharField(max_length=8, choices=AUTHS, default="none", help_text="How we show who we are.")
    secret = models.CharField(
        max_length=80,
        blank=True,
        default="",
        help_text="The name of the variable that holds it, DESTINATION_...; never the secret itself.",
    )
    header = models.CharField(
        max_length=64, blank=True, default="X-API-Key", help_text="The header that carries the secret."
    )
    user = models.CharField(max_length=255, blank=True, default="", help_text="User, or OAuth2 client id.")
    token_url = models.CharField(max_length=1024, blank=True, default="", help_text="Where tokens come from.")
    scope = models.CharField(
        max_length=255, blank=True, default="", help_text="OAuth2 scope, if it wants one."
    )
    authorities = models.CharField(
        max_length=255, blank=True, default="", help_text="PEM file of authorities; empty: the system's."
    )
    certificate = models.CharField(
        max_length=255, blank=True, default="", help_text="PEM file with the client certificate we show."
    )
    key = models.CharField(max_length=255, blank=True, default="", help_text="PEM file with its private key.")
    insecure = models.BooleanField(
        default=False, help_text="Images and secrets may go in clear, by http:// to another machine."
    )
    at_once = models.PositiveSmallIntegerField(
        default=0, help_text="Deliveries at once, 1 to 64; 0: as DELIVERY_AT_ONCE says."
    )
    images_per_minute = models.PositiveIntegerField(default=0, help_text="At most; 0: as fast as it goes.")
    megabytes_per_minute = models.PositiveIntegerField(default=0, help_text="At most; 0: as fast as it goes.")
    windows = models.JSONField(
        default=list,
        blank=True,
        help_text="Hours at which anything is sent, such as 22:00-06:00; empty: always.",
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts and probes in a row.")
    trouble = models.CharField(max_length=255, blank=True, default="", help_text="Of the last failure.")
    rests_until = models.DateTimeField(null=True, blank=True)
    probed_at = models.DateTimeField(
        null=True, blank=True, help_text="It answered then, after a rest: one delivery may try."
    )
    spent_until = models.DateTimeField(
        null=True, blank=True, help_text="What was sent uses up its images or megabytes a minute until then."
    )
    paused_at = models.DateTimeField(null=True, blank=True, help_text="Stopped by a person.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(origin__in=["site", "backend"]), name="destination_origin_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["backend", "dicomweb", "dimse", "folder"]),
                name="destination_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(kind="dimse", node__isnull=False) | ~Q(kind="dimse") & Q(node__isnull=True),
                name="destination_has_what_its_kind_needs",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Route(Retirable):
    """Called AE (and calling AE, where said) decide the project and its destinations."""

    NEVER, STORED, DELIVERED = "never", "stored", "delivered"
    COMMITS = (
        (NEVER, "never"),
        (STORED, "once they are stored here"),
        (DELIVERED, "once every destination has them"),
    )

    PRIORITIES = (("urgent", "urgent"), ("routine", "routine"), ("bulk", "bulk"))

    called_ae = models.CharField(max_length=16)
    calling_ae = models.CharField(max_length=16, blank=True, default="", help_text="Empty: whoever calls.")
    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    destinations = models.ManyToManyField(Destination, blank=True)
    review = models.BooleanField(
        default=False, help_text="A person looks at each study before it is released."
    )
    priority = models.CharField(
        max_length=8,
        choices=PRIORITIES,
        default="routine",
        help_text="Where several studies wait: urgent ones go first, bulk goes last.",
    )
    commit_when = models.CharField(
        max_length=9,
        choices=COMMITS,
        default=NEVER,
        help_text="When we answer for its images by storage commitment: a sender may delete them then.",
    )
    ask_counts = models.ForeignKey(
        Node,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The PACS that is asked whether a study is here as a whole, before it is released.",
    )
    exclude = models.JSONField(
        default=list, blank=True, help_text="Series whose description fits one of these never leave."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["called_ae", "calling_ae"], name="one_route_for_each_call"),
            models.CheckConstraint(
                condition=Q(commit_when__in=["never", "stored", "delivered"]), name="route_commit_when_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__in=["urgent", "routine", "bulk"]), name="route_priority_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.calling_ae or '*'} → {self.called_ae}"


class Refusal(models.Model):
    """Callers that were not let in, each with how often: AE titles are what they claimed."""

    address = models.CharField(max_length=64)
    calling_ae = models.CharField(max_length=16, blank=True)
    called_ae = models.CharField(max_length=16, blank=True)
    code = models.CharField(max_length=8, help_text="Result, source and reason (PS3.8 9.3.4).")
    why = models.CharField(max_length=255)
    count = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["address", "calling_ae", "called_ae", "code"], name="one_row_for_a_refusal"
            )
        ]

    def __str__(self) -> str:
        return f"{self.calling_ae or '?'} at {self.address} → {self.called_ae or '?'}: {self.code}"
