"""The engine: encoded bytes in, clean encoded bytes, a seal and a report out.

In a pass (passing.py) bytes come in (intake.py), the header is rewritten by the recipe (rewrite.py), clean bytes go
out (outgoing.py), and what was taken from them is sealed (sealing.py).
"""

from collections.abc import Callable, Mapping

from proxy.deid.beside import Digest
from proxy.deid.context import Subject
from proxy.deid.custom import Function
from proxy.deid.errors import EngineFault
from proxy.deid.facts import Facts
from proxy.deid.fingerprint import fingerprint
from proxy.deid.parts import Limits
from proxy.deid.passing import Clean, Pass
from proxy.deid.recipe import Recipe
from proxy.deid.rewrite import Compiled


class Engine:
    """A compiled recipe. Immutable; any number of threads may begin passes."""

    def __init__(
        self, recipe: Recipe, limits: Limits | None = None, functions: Mapping[int, Function] | None = None
    ) -> None:
        self.recipe = recipe
        self.limits = limits or Limits()
        self.compiled = Compiled(recipe, functions)
        self.fingerprint = fingerprint(recipe)

    def begin(
        self,
        transfer_syntax: str,
        masks: bool = True,
        file_head: bytes | None = None,
        copies: bool = True,
        digest: Digest | None = None,
    ) -> Pass:
        """masks: False where a person has looked at the image, so that its pixels pass as they are.
        file_head: preamble and File Meta of the file that the data set comes from (b"" if it had none); sealed.
        copies: False where what was fed stays as it is until what take() gave out was used.
        digest: of the pixel data; SHA-256, made here unless the caller makes it beside.
        """
        return Pass(
            self.compiled,
            self.limits,
            transfer_syntax,
            masks=masks,
            file_head=file_head,
            copies=copies,
            digest=digest,
        )


def deidentify(
    data: bytes | memoryview,
    transfer_syntax: str,
    engine: Engine,
    subject: Callable[[Facts], Subject],
    file_head: bytes | None = None,
) -> Clean:
    """In one go; `Clean.rest` holds all of it, with pixel data as views of `data`."""
    work = engine.begin(transfer_syntax, file_head=file_head, copies=False)
    work.feed(data)
    work.end()
    facts = work.facts
    if facts is None:
        raise EngineFault("no facts at the end")
    work.settle(subject(facts))
    return work.finish()
