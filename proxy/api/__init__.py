"""The doors for programs: JSON over HTTP, with Django REST framework. Pages for people are in `proxy.web`."""
