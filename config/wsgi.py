import os

from django.core.wsgi import get_wsgi_application

from proxy.storage.cores import leave_no_core

leave_no_core()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
