"""docs/alerts.md says of every rule what it means and what to do, in the words of the rule, and draws both lives."""

import hashlib
import hmac
import json
import re
import time

import pytest

from config import settings as declared
from proxy.alerts.channels import webhook
from proxy.alerts.findings import Rule
from proxy.alerts.lifecycle import ALERT, NOTICE
from proxy.alerts.rules import BY_NAME, RULES
from proxy.lives import Life
from tests.docs import reading

TEXT = reading.text("docs/alerts.md")
ALL_RULES = TEXT.split("## The rules\n")[1].split("## Lives\n")[0]


def test_every_rule_is_described_in_its_order_and_no_other() -> None:
    assert re.findall(r"^### (\S+)$", ALL_RULES, re.MULTILINE) == [*(rule.name for rule in RULES), "blind"]


@pytest.mark.parametrize("rule", BY_NAME.values(), ids=list(BY_NAME))
def test_each_says_what_to_do_in_the_words_of_the_rule(rule: Rule) -> None:
    section = " ".join(ALL_RULES.split(f"### {rule.name}\n")[1].split("### ")[0].split())
    meaning, _, advice = section.partition("What to do: ")
    assert len(meaning) > 40
    assert advice.strip() == rule.advice


@pytest.mark.parametrize(("title", "life"), [("Alert", ALERT), ("Notice", NOTICE)])
def test_both_lives_are_drawn_from_their_tables(title: str, life: Life) -> None:
    section = TEXT.split(f"### {title}\n")[1]
    assert f"Begins as `{life.first}`" in section
    drawn = section.split("```")[1].strip().splitlines()
    assert drawn == [f"{one} --{event}--> {to}" for one, event, to in life.arrows()]


def test_every_setting_that_is_named_exists() -> None:
    for name in set(re.findall(r"\b(?:ALERT|EMAIL)_[A-Z_]+\b", TEXT)):
        assert hasattr(declared, name), name


def test_what_it_says_about_signatures_works() -> None:
    """The lines of the example are run as they stand."""
    [example] = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "hmac" in block]
    body, secret, at = json.dumps({"id": "1"}).encode(), "0123456789abcdef", int(time.time())
    headers = webhook.signed(body, "1", secret, at)
    told = {"secret": secret.encode(), "body": body, "timestamp": headers["Postern-Timestamp"]}
    for signature, expected in ((headers["Postern-Signature"], True), ("sha256=00", False)):
        facts = {**told, "signature": signature, "hmac": hmac, "hashlib": hashlib, "time": time}
        exec(example, facts)
        assert facts["ok"] is expected
