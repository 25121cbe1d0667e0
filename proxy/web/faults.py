"""What DEBUG shows of an error of ours: what the log says of it. Django's page would show what stood in memory."""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from proxy.web.logs import describe_with_causes

PAGE = "<!doctype html><title>An error of ours</title><pre>{}</pre>"


class Reporter(ExceptionReporter):
    """Kinds and places, and of messages only our own: no value, no request, no setting."""

    def get_traceback_text(self) -> SafeString:
        """Plain text, and safe as such alone."""
        return SafeString(self._described())

    def get_traceback_html(self) -> SafeString:
        return format_html(PAGE, self._described())

    def _described(self) -> str:
        error: BaseException | None = self.exc_value
        return "" if error is None else "\n".join(describe_with_causes(error))
