"""Stripe, as far as we speak with it: localstripe for customers, plans and subscriptions, and a door of our own for
Checkout, which localstripe does not know.

localstripe runs as a process of its own, on 127.0.0.1 alone. What it has, it tells signed events of; here they are made
by Stripe's own library from what localstripe answers.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from stripe import WebhookSignature

from proxy.tiers.billing import ACTS
from tests.cluster import free_port

SECRET_KEY = "sk_test_12345678901234567890"
WEBHOOK_SECRET = "whsec_0123456789abcdef0123456789"
PRO_PRICE, ANNUAL_PRICE = "price_pro_monthly", "price_annual"

RUN = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


@dataclass
class Stripes:
    """What was asked of Checkout, and a way to localstripe."""

    url: str = ""
    behind: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    fails_with: int = 0

    def call(self, path: str, method: str = "POST", **form: Any) -> dict[str, Any]:
        """localstripe itself."""
        data = urllib.parse.urlencode(form).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.behind}{path}", data, method=method)
        request.add_header("Authorization", f"Bearer {SECRET_KEY}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(answer))

    @contextmanager
    def telling(self, url: str, secret: str = WEBHOOK_SECRET) -> Iterator[None]:
        """Whatever localstripe has to tell goes there, until the end."""
        where = f"{self.behind}/_config/webhooks/ours"
        events = list(ACTS)
        self._configure(where, {"url": url, "secret": secret, "events": events})
        try:
            yield
        finally:
            self._configure(where, {"url": url, "secret": secret, "events": []})

    def _configure(self, where: str, said: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(where, json.dumps(said).encode(), headers)
        urllib.request.urlopen(request, timeout=60).close()

    def event(self, kind: str, about: dict[str, Any], at: int | None = None, id: str = "") -> dict[str, Any]:
        at = int(time.time()) if at is None else at
        return {
            "id": id or f"evt_{os.urandom(8).hex()}",
            "object": "event",
            "type": kind,
            "created": at,
            "livemode": False,
            "data": {"object": about},
        }


def signed(event: dict[str, Any], secret: str = WEBHOOK_SECRET, at: int | None = None) -> tuple[bytes, str]:
    """Body and signature, as Stripe's own library makes them."""
    body = json.dumps(event, indent=2)
    return body.encode(), WebhookSignature.generate_signature_header(body, secret, at)


@contextmanager
def open_stripes(folder: Path) -> Iterator[Stripes]:
    port = free_port()
    with (folder / "localstripe.out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RUN, str(port)], stdout=out, stderr=out, cwd=folder
        )
    stripes = Stripes(behind=f"http://127.0.0.1:{port}")
    door = ThreadingHTTPServer(("127.0.0.1", 0), _door_of(stripes))
    stripes.url = f"http://127.0.0.1:{door.server_address[1]}"
    thread = Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        _wait(stripes)
        for price, interval in ((PRO_PRICE, "month"), (ANNUAL_PRICE, "year")):
            stripes.call("/v1/plans", id=price, amount=9900, currency="eur", interval=interval, name=price)
        yield stripes
    finally:
        door.shutdown()
        door.server_close()
        process.terminate()
        process.wait(60)


def _wait(stripes: Stripes) -> None:
    for _ in range(1000):
        try:
            stripes.call("/v1/plans", "GET")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("localstripe does not start")


def _door_of(stripes: Stripes) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if self.path != "/v1/checkout/sessions":
                self._say(404, {"error": {"type": "invalid_request_error", "message": "no such path"}})
                return
            stripes.keys.append(self.headers.get("Authorization", ""))
            stripes.asked.append(dict(urllib.parse.parse_qsl(body)))
            if stripes.fails_with:
                self._say(stripes.fails_with, {"error": {"type": "api_error", "message": body}})
                return
            self._say(200, self._session(stripes.asked[-1]))

        def _session(self, asked: dict[str, str]) -> dict[str, Any]:
            number = len(stripes.asked)
            return {
                "id": f"cs_test_{number}",
                "object": "checkout.session",
                "mode": asked["mode"],
                "client_reference_id": asked["client_reference_id"],
                "metadata": {"customer": asked["metadata[customer]"], "tier": asked["metadata[tier]"]},
                "url": f"https://checkout.stripe.com/c/pay/cs_test_{number}",
            }

        def _say(self, status: int, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Door


def subscribe(
    stripes: Stripes, session: dict[str, Any], price: str, card: str = "4242424242424242"
) -> dict[str, Any]:
    """What the customer does on Stripe's page: a card, and a subscription; the completed session."""
    customer = stripes.call("/v1/customers", email="billing@acme.example")
    paper: dict[str, Any] = {"type": "card", "card[number]": card, "card[cvc]": 123}
    until: dict[str, Any] = {"card[exp_month]": 12, "card[exp_year]": 2030}
    method = stripes.call("/v1/payment_methods", **paper, **until)
    stripes.call(f"/v1/payment_methods/{method['id']}/attach", customer=customer["id"])
    default: dict[str, Any] = {"invoice_settings[default_payment_method]": method["id"]}
    stripes.call(f"/v1/customers/{customer['id']}", **default)
    subscription = stripes.call(
        "/v1/subscriptions",
        **{
            "customer": customer["id"],
            "items[0][plan]": price,
            "metadata[customer]": session["metadata"]["customer"],
            "metadata[tier]": session["metadata"]["tier"],
        },
    )
    return {
        **session,
        "status": "complete",
        "payment_status": "paid",
        "customer": customer["id"],
        "subscription": subscription["id"],
    }
