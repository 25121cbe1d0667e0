"""The addresses that stand in answers: as whoever asked reaches us."""

from rest_framework.request import Request


def root(request: Request) -> str:
    """Under which `studies` is. Its host was compared with ALLOWED_HOSTS; whether it is https, a web server that the
    site has named may say (`proxy.api.headers`)."""
    return f"{request.scheme}://{request.get_host()}/dicomweb"
