"""What a compressed frame says of its own size, read before any decoder takes memory for it.

An image's header and the frames within may disagree, and a decoder believes the frame: a file of a few hundred bytes
can cost gigabytes. Whoever decodes asks here first. Nothing but the standard library is needed.
"""

from proxy.codestreams.minding import Said, Unsound, mind

__all__ = ["Said", "Unsound", "mind"]
