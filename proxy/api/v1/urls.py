"""Where each door of `/v1` is. Numbers are ours: no UID and no name stands in an address."""

from django.urls import re_path

from proxy.api.missing import Missing
from proxy.api.v1 import (
    anonymize,
    audit,
    billing,
    deliveries,
    hooks,
    jobs,
    keys,
    nodes,
    persons,
    quarantine,
    reviewing,
    studies,
    usage,
)

JOB = r"(?P<name>[0-9a-f]{32})"
NUMBER = r"(?P<number>[0-9]{1,18})"
REVISION = rf"v1/studies/{NUMBER}/revisions/(?P<revision>[0-9]{{1,9}})"

urlpatterns = [
    re_path(r"^v1/anonymize/?$", anonymize.Anonymize.as_view(), name="v1-anonymize"),
    re_path(r"^v1/jobs/?$", jobs.Jobs.as_view(), name="v1-jobs"),
    re_path(r"^v1/jobs/webhook/?$", hooks.Webhook.as_view(), name="v1-jobs-webhook"),
    re_path(rf"^v1/jobs/{JOB}/?$", jobs.OneJob.as_view(), name="v1-job"),
    re_path(rf"^v1/jobs/{JOB}/result/?$", jobs.Result.as_view(), name="v1-job-result"),
    re_path(r"^v1/usage/?$", usage.Usage.as_view(), name="v1-usage"),
    re_path(r"^v1/keys/?$", keys.Keys.as_view(), name="v1-keys"),
    re_path(r"^v1/keys/rotate/?$", keys.Rotation.as_view(), name="v1-keys-rotate"),
    re_path(rf"^v1/keys/{NUMBER}/?$", keys.OneKey.as_view(), name="v1-key"),
    re_path(r"^v1/billing/checkout-session/?$", billing.Checkout.as_view(), name="v1-checkout"),
    re_path(r"^v1/billing/webhook/?$", billing.Webhook.as_view(), name="v1-webhook"),
    re_path(r"^v1/studies/?$", studies.Studies.as_view(), name="v1-studies"),
    re_path(rf"^v1/studies/{NUMBER}/?$", studies.OneStudy.as_view(), name="v1-study"),
    re_path(rf"^v1/studies/{NUMBER}/revisions/?$", studies.StudyRevisions.as_view(), name="v1-revisions"),
    re_path(rf"^{REVISION}/approve/?$", reviewing.Approve.as_view(), name="v1-revision-approve"),
    re_path(rf"^{REVISION}/reject/?$", reviewing.Reject.as_view(), name="v1-revision-reject"),
    re_path(rf"^{REVISION}/reconsider/?$", reviewing.Reconsider.as_view(), name="v1-revision-reconsider"),
    re_path(rf"^v1/studies/{NUMBER}/hold/?$", reviewing.Hold.as_view(), name="v1-study-hold"),
    re_path(rf"^v1/studies/{NUMBER}/free/?$", reviewing.Free.as_view(), name="v1-study-free"),
    re_path(r"^v1/deliveries/?$", deliveries.Deliveries.as_view(), name="v1-deliveries"),
    re_path(rf"^v1/deliveries/{NUMBER}/?$", deliveries.OneDelivery.as_view(), name="v1-delivery"),
    re_path(rf"^v1/deliveries/{NUMBER}/retry/?$", deliveries.Retry.as_view(), name="v1-delivery-retry"),
    re_path(rf"^v1/deliveries/{NUMBER}/drop/?$", deliveries.Drop.as_view(), name="v1-delivery-drop"),
    re_path(r"^v1/quarantine/?$", quarantine.Quarantine.as_view(), name="v1-quarantine"),
    re_path(rf"^v1/quarantine/{NUMBER}/?$", quarantine.OneHeld.as_view(), name="v1-held"),
    re_path(rf"^v1/quarantine/{NUMBER}/release/?$", quarantine.Release.as_view(), name="v1-held-release"),
    re_path(rf"^v1/quarantine/{NUMBER}/discard/?$", quarantine.Discard.as_view(), name="v1-held-discard"),
    re_path(r"^v1/nodes/?$", nodes.Nodes.as_view(), name="v1-nodes"),
    re_path(rf"^v1/nodes/{NUMBER}/?$", nodes.OneNode.as_view(), name="v1-node"),
    re_path(rf"^v1/nodes/{NUMBER}/echo/?$", nodes.Echo.as_view(), name="v1-node-echo"),
    re_path(r"^v1/persons/reidentify/?$", persons.Reidentify.as_view(), name="v1-persons-reidentify"),
    re_path(r"^v1/persons/forget/?$", persons.Forget.as_view(), name="v1-persons-forget"),
    re_path(r"^v1/persons/merge/?$", persons.Merge.as_view(), name="v1-persons-merge"),
    re_path(r"^v1/persons/correct/?$", persons.Correct.as_view(), name="v1-persons-correct"),
    re_path(r"^v1/audit/?$", audit.Audit.as_view(), name="v1-audit"),
    re_path(r"^v1/audit/verify/?$", audit.Verify.as_view(), name="v1-audit-verify"),
    re_path(r"^v1(?:/.*)?$", Missing.as_view()),  # last
]
