"""How the reference backend takes a body apart."""

from proxy.management.demo.backend.multipart import MalformedError, Part, file_name_of, name_of, parts

__all__ = ["MalformedError", "Part", "file_name_of", "name_of", "parts"]
