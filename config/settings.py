"""Every setting of Postern: its name, a default that is safe, a sentence (DESIGN 9).

The values are read in `config/reading.py`, from the environment, `NAME_FILE` or `.env`. A value that
cannot be read stops the start with one sentence that names it.
"""

import sys
from pathlib import Path

from config import database, reading
from proxy.storage import keys

BASE_DIR = Path(__file__).resolve().parent.parent
reading.load_env_file(reading.path("ENV_FILE", ".env", base=BASE_DIR))

# --- where things lie -----------------------------------------------------------------------------
DATA_DIR = reading.path("DATA_DIR", "data", base=BASE_DIR)
KEY_DIR = reading.path("KEY_DIR", "keys", base=BASE_DIR)
DICOM_STORAGE_DIR = reading.path("DICOM_STORAGE_DIR", DATA_DIR, base=BASE_DIR)
DICOM_LOG_DIR = reading.path("DICOM_LOG_DIR", DATA_DIR / "logs", base=BASE_DIR)
ARCHIVE_DIR = reading.path("ARCHIVE_DIR", DATA_DIR / "archives", base=BASE_DIR)
BACKUP_DIR = reading.path("BACKUP_DIR", BASE_DIR / "backups", base=BASE_DIR)
FORGOTTEN_FILE = reading.path("FORGOTTEN_FILE", KEY_DIR / "forgotten", base=BASE_DIR)
AUDIT_ANCHORS = reading.path("AUDIT_ANCHORS", KEY_DIR / "anchors", base=BASE_DIR)
AUDIT_EXPORT_DIR = reading.path("AUDIT_EXPORT_DIR", BACKUP_DIR / "audit", base=BASE_DIR)

# --- Django ---------------------------------------------------------------------------------------
DEBUG = reading.boolean("DEBUG", False)
ALLOWED_HOSTS = reading.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1"])
API_PORT = reading.number("API_PORT", 8080, low=1, high=65535)
API_BIND_ADDRESS = reading.text("API_BIND_ADDRESS", "0.0.0.0")  # noqa: S104 - in containers a port is published, not an interface

# --- the API --------------------------------------------------------------------------------------
API_REQUESTS_PER_MINUTE = reading.number("API_REQUESTS_PER_MINUTE", 120, low=0, high=1_000_000)
API_TRUSTED_PROXIES = reading.networks("API_TRUSTED_PROXIES", [])
API_IDENTITIES_BY_HTTP = reading.boolean("API_IDENTITIES_BY_HTTP", False)
API_DOCS = reading.boolean("API_DOCS", False)
METRICS_NETWORKS = reading.networks("METRICS_NETWORKS", ["127.0.0.1", "::1"])
DICOMWEB_REQUESTS_PER_MINUTE = reading.number("DICOMWEB_REQUESTS_PER_MINUTE", 3_000, low=0, high=1_000_000)
DICOMWEB_LARGEST_REQUEST = reading.number("DICOMWEB_LARGEST_REQUEST", 10_240, low=1, high=1_000_000)

# --- the service: customers, tiers and billing (V11-V13) ------------------------------------------
DCM_API_KEYS = reading.api_keys("DCM_API_KEYS", [])
STRIPE_API_KEY = reading.text("STRIPE_API_KEY", "")
STRIPE_PRICE_ID = reading.text("STRIPE_PRICE_ID", "")
STRIPE_PRICE_ID_ANNUAL = reading.text("STRIPE_PRICE_ID_ANNUAL", "")
STRIPE_WEBHOOK_SECRET = reading.text("STRIPE_WEBHOOK_SECRET", "")
STRIPE_TRIAL_DAYS = reading.number("STRIPE_TRIAL_DAYS", 14, low=0, high=730)
reading.refuse_half_billing(STRIPE_API_KEY, STRIPE_PRICE_ID, STRIPE_PRICE_ID_ANNUAL, STRIPE_WEBHOOK_SECRET)

# --- pseudonymization as a service (`/v1/anonymize`, `/v1/jobs`) ----------------------------------
SERVICE_UPLOAD_LIMIT = reading.number("SERVICE_UPLOAD_LIMIT", 20_480, low=1, high=10_000_000)
SERVICE_UNPACKED_LIMIT = reading.number("SERVICE_UNPACKED_LIMIT", 20_480, low=1, high=10_000_000)
SERVICE_FILES_LIMIT = reading.number("SERVICE_FILES_LIMIT", 10_000, low=1, high=1_000_000)
SERVICE_AT_ONCE = reading.number("SERVICE_AT_ONCE", 8, low=1, high=12)
SERVICE_PATIENCE = reading.number("SERVICE_PATIENCE", 30, low=1, high=3_600)
SERVICE_WEBHOOK_HOSTS = reading.words("SERVICE_WEBHOOK_HOSTS", [])
SERVICE_KEPT_LIMIT = reading.number("SERVICE_KEPT_LIMIT", 10_240, low=0, high=10_000_000)

# --- the DICOM listener ---------------------------------------------------------------------------
DICOM_AE_TITLE = reading.ae_title("DICOM_AE_TITLE", "DICOMRCV")
DICOM_PORT = reading.number("DICOM_PORT", 11112, low=1, high=65535)
DICOM_BIND_ADDRESS = reading.text("DICOM_BIND_ADDRESS", "")
DICOM_LISTENER_HOST = reading.text("DICOM_LISTENER_HOST", "")
DICOM_STUDY_TIMEOUT = reading.number("DICOM_STUDY_TIMEOUT", 60, low=0, high=86_400)
DICOM_COUNTS_PATIENCE = reading.number("DICOM_COUNTS_PATIENCE", 600, low=0, high=604_800)
DICOM_MAX_PDU_SIZE = reading.number("DICOM_MAX_PDU_SIZE", 16_384, low=4_096, high=1_048_576)
DICOM_ACSE_TIMEOUT = reading.number("DICOM_ACSE_TIMEOUT", 30, low=1, high=3_600)
DICOM_DIMSE_TIMEOUT = reading.number("DICOM_DIMSE_TIMEOUT", 60, low=1, high=3_600)
DICOM_NETWORK_TIMEOUT = reading.number("DICOM_NETWORK_TIMEOUT", 60, low=1, high=3_600)
DICOM_MAX_ASSOCIATIONS = reading.number("DICOM_MAX_ASSOCIATIONS", 50, low=1, high=10_000)
DICOM_WORKERS = reading.number("DICOM_WORKERS", 0, low=0, high=256)
DICOM_MEMORY_LIMIT = reading.number("DICOM_MEMORY_LIMIT", 1_024, low=64, high=1_000_000)
DICOM_TLS_PORT = reading.number("DICOM_TLS_PORT", 2762, low=1, high=65535)
DICOM_TLS_CERTIFICATE = reading.text("DICOM_TLS_CERTIFICATE", "")
DICOM_TLS_KEY = reading.text("DICOM_TLS_KEY", "")
DICOM_TLS_AUTHORITIES = reading.text("DICOM_TLS_AUTHORITIES", "")
DICOM_TLS_MUTUAL = reading.boolean("DICOM_TLS_MUTUAL", True)
DICOM_LOG_LEVEL = reading.choice("DICOM_LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
DICOM_ANONYMIZE_PATIENTS = reading.boolean("DICOM_ANONYMIZE_PATIENTS", True)
DICOM_AUTO_START = reading.boolean("DICOM_AUTO_START", True)
DICOM_ACCEPTED_CLASSES = reading.words("DICOM_ACCEPTED_CLASSES", ["default"])
DICOM_MODE = reading.choice("DICOM_MODE", "public", ["public", "private"])
DICOM_FIND_MAX = reading.number("DICOM_FIND_MAX", 10_000, low=1, high=10_000_000)

# --- a PACS beside us (H02-H04) -------------------------------------------------------------------
DICOM_PACS_HOST = reading.text("DICOM_PACS_HOST", "")
DICOM_PACS_PORT = reading.number("DICOM_PACS_PORT", 11112, low=1, high=65535)
DICOM_PACS_AE_TITLE = reading.ae_title("DICOM_PACS_AE_TITLE", "", empty=True)

# --- the backend ----------------------------------------------------------------------------------
ITH_URL = reading.url("ITH_URL", "")
ITH_TOKEN = reading.text("ITH_TOKEN", "")
ITH_WS_KEY_IN_QUERY = reading.boolean("ITH_WS_KEY_IN_QUERY", False)
ITH_DECIDES_ANONYMIZATION = reading.boolean("ITH_DECIDES_ANONYMIZATION", False)
DISPATCH_LIMIT = reading.number("DISPATCH_LIMIT", 20_000, low=1, high=10_000_000)
PROXY_VERSION = reading.text("PROXY_VERSION", "1.0.0")
PROXY_HOST_IP = reading.text("PROXY_HOST_IP", "")
UPLOAD_MAX_RETRIES = reading.number("UPLOAD_MAX_RETRIES", 3, low=0, high=1_000)
UPLOAD_RETRY_DELAY = reading.number("UPLOAD_RETRY_DELAY", 5, low=0, high=86_400)
CLEANUP_AFTER_UPLOAD = reading.boolean("CLEANUP_AFTER_UPLOAD", True)

# --- keeping --------------------------------------------------------------------------------------
RETENTION_FILES = reading.number("RETENTION_FILES", 7, low=0, high=36_500)
RETENTION_SEALS = reading.number("RETENTION_SEALS", 0, low=0, high=36_500)
reading.refuse_short_seals(RETENTION_SEALS, RETENTION_FILES)
RETENTION_QUARANTINE = reading.number("RETENTION_QUARANTINE", 0, low=0, high=36_500)
RETENTION_AUDIT = reading.number("RETENTION_AUDIT", 0, low=0, high=36_500)
COMMITMENT_TERM = reading.number("COMMITMENT_TERM", 30, low=1, high=36_500)
COMMITMENT_PATIENCE = reading.number("COMMITMENT_PATIENCE", 24, low=1, high=8_760)
IDENTITY_PERSONS_PER_HOUR = reading.number("IDENTITY_PERSONS_PER_HOUR", 2_000, low=0, high=10_000_000)
DISK_WATERMARK = reading.number("DISK_WATERMARK", 1_024, low=0, high=10_000_000)
HEADER_LIMIT = reading.number("HEADER_LIMIT", 64, low=1, high=1_024)

# --- delivering -----------------------------------------------------------------------------------
DELIVERY_WORKERS = reading.number("DELIVERY_WORKERS", 4, low=1, high=64)
DELIVERY_AT_ONCE = reading.number("DELIVERY_AT_ONCE", 1, low=1, high=64)
DELIVERY_LEASE = reading.number("DELIVERY_LEASE", 60, low=5, high=3_600)
DELIVERY_PAUSE = reading.number("DELIVERY_PAUSE", 5, low=1, high=3_600)
DELIVERY_PAUSE_MAX = reading.number("DELIVERY_PAUSE_MAX", 900, low=1, high=86_400)
SITE_TIME_ZONE = reading.time_zone("SITE_TIME_ZONE", "UTC")

# --- alerts ---------------------------------------------------------------------------------------
ALERT_EMAIL_TO = reading.words("ALERT_EMAIL_TO", [])
EMAIL_HOST = reading.text("EMAIL_HOST", "")
EMAIL_PORT = reading.number("EMAIL_PORT", 587, low=1, high=65535)
EMAIL_SECURITY = reading.choice("EMAIL_SECURITY", "starttls", ["starttls", "tls", "none"])
EMAIL_HOST_USER = reading.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = reading.text("EMAIL_HOST_PASSWORD", "")
EMAIL_FROM = reading.text("EMAIL_FROM", "postern@localhost")
reading.refuse_unreachable_mail(ALERT_EMAIL_TO, EMAIL_HOST, EMAIL_FROM)
ALERT_WEBHOOK_URL = reading.url("ALERT_WEBHOOK_URL", "")
ALERT_WEBHOOK_SECRET = reading.text("ALERT_WEBHOOK_SECRET", "")
reading.refuse_unsigned_webhook(ALERT_WEBHOOK_URL, ALERT_WEBHOOK_SECRET)
ALERT_AUTHORITIES = reading.text("ALERT_AUTHORITIES", "")
ALERT_RULES_OFF = reading.words("ALERT_RULES_OFF", [])
ALERT_STUCK_HOURS = reading.number("ALERT_STUCK_HOURS", 24, low=1, high=8_760)
ALERT_DISK_PERCENT = reading.number("ALERT_DISK_PERCENT", 10, low=0, high=99)
ALERT_KEYS_MB = reading.number("ALERT_KEYS_MB", 64, low=0, high=1_000_000)
ALERT_CERTIFICATE_DAYS = reading.number("ALERT_CERTIFICATE_DAYS", 30, low=1, high=3_650)

# --- the audit ------------------------------------------------------------------------------------
AUDIT_SYSLOG = reading.host_and_port("AUDIT_SYSLOG", "")
AUDIT_SYSLOG_AUTHORITIES = reading.text("AUDIT_SYSLOG_AUTHORITIES", "")
AUDIT_SYSLOG_CERTIFICATE = reading.text("AUDIT_SYSLOG_CERTIFICATE", "")
AUDIT_SYSLOG_KEY = reading.text("AUDIT_SYSLOG_KEY", "")
AUDIT_ANCHORS_TO_WEBHOOK = reading.boolean("AUDIT_ANCHORS_TO_WEBHOOK", False)

# --- database -------------------------------------------------------------------------------------
DATABASE_ENGINE = reading.choice("DATABASE_ENGINE", "sqlite", ["sqlite", "postgresql"])
DATABASE_PATH = reading.path("DATABASE_PATH", DATA_DIR / "database" / "db.sqlite3", base=BASE_DIR)
POSTGRES_DB = reading.text("POSTGRES_DB", "ith_proxy")
POSTGRES_USER = reading.text("POSTGRES_USER", "postgres")
POSTGRES_PASSWORD = reading.text("POSTGRES_PASSWORD", "")
POSTGRES_HOST = reading.text("POSTGRES_HOST", "db")
POSTGRES_PORT = reading.number("POSTGRES_PORT", 5432, low=1, high=65535)
POSTGRES_OPTIONS: dict[str, str] = {}
_address = database.address("DCM_DB_URL", "", base=BASE_DIR)  # V23: it wins over all of these
if _address is not None:
    DATABASE_ENGINE, DATABASE_PATH = _address.engine, _address.path or DATABASE_PATH
if _address is not None and DATABASE_ENGINE == "postgresql":
    POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD = _address.name, _address.user, _address.password
    POSTGRES_HOST, POSTGRES_PORT, POSTGRES_OPTIONS = _address.host, _address.port, _address.options

# --- keys: the first is made here, where no other folder of ours is found to hold it ---------------
_OTHERS = {
    "DATA_DIR": DATA_DIR,
    "DICOM_STORAGE_DIR": DICOM_STORAGE_DIR,
    "DICOM_LOG_DIR": DICOM_LOG_DIR,
    "ARCHIVE_DIR": ARCHIVE_DIR,
    "BACKUP_DIR": BACKUP_DIR,
}
reading.refuse_keys_below(KEY_DIR, _OTHERS)
SECRET_KEY = reading.text("SECRET_KEY", "") or reading.kept("KEY_DIR", keys.django_secret, KEY_DIR)

if not DEBUG:
    reading.refuse_in_production(
        SECRET_KEY, POSTGRES_PASSWORD if DATABASE_ENGINE == "postgresql" else "unused"
    )

_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DATABASE_PATH,
    "CONN_MAX_AGE": 600,  # who opens a file anew at each round reads its whole schema each time
    "OPTIONS": {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    },
    "TEST": {"NAME": reading.text("TEST_DATABASE_PATH", "") or None},
}
_POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": POSTGRES_DB,
    "USER": POSTGRES_USER,
    "PASSWORD": POSTGRES_PASSWORD,
    "HOST": POSTGRES_HOST,
    "PORT": POSTGRES_PORT,
    "CONN_MAX_AGE": 600,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {"connect_timeout": 5, **POSTGRES_OPTIONS},
}
DATABASES = {"default": _SQLITE if DATABASE_ENGINE == "sqlite" else _POSTGRES}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "proxy",  # first: its runserver and migrate stand before Django's and whitenoise's
    "django.contrib.admin.apps.SimpleAdminConfig",  # config/urls.py finds the pages, where they are shown
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "drf_spectacular_sidecar",  # the files of the page under /docs
    "proxy.audit",
    "proxy.staff",
    "proxy.vault",
    "proxy.routing",
    "proxy.tiers",
    "proxy.backend",
    "proxy.studies",
    "proxy.quarantine",
    "proxy.deliveries",
    "proxy.retrieval",
    "proxy.service",
    "proxy.books",
    "proxy.alerts",
    "proxy.web",
]
MIDDLEWARE = [
    "proxy.api.headers.Headers",  # first: what whitenoise serves and what is refused has them too
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "proxy.web.acting.Acting",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "proxy" / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "proxy.web.logins.PasswordsAreMarked"},
]
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
# A file in a form of ours stays in memory or is not taken: Django's other handler would write it to a temporary folder
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = None  # whitenoise serves the files where they lie
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False  # it would let pages of other sites read ours
WHITENOISE_AUTOREFRESH = DEBUG

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["proxy.api.permissions.Nobody"],
    "DEFAULT_PARSER_CLASSES": ["proxy.api.bodies.StrictJSON"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],  # no browsable pages
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "proxy.api.problems.as_problem",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Postern",
    "DESCRIPTION": "What programs may ask; docs/api.md says it in words. Images come and go under `/dicomweb` too "
    "(STOW-RS, QIDO-RS, WADO-RS), which DICOM describes itself; docs/dicomweb.md says what of it is spoken here.",
    "EXTERNAL_DOCS": {
        "description": "DICOM PS3.18, Web Services: what `/dicomweb` speaks",
        "url": "https://dicom.nema.org/medical/dicom/current/output/html/part18.html",
    },
    "VERSION": PROXY_VERSION,
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/(?:api|v1)",
}

# Django's own 500 pages and error mails would show what stood in memory: they are off for good, with DEBUG too.
DEFAULT_EXCEPTION_REPORTER = "proxy.web.faults.Reporter"
ADMINS: list[tuple[str, str]] = []
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "tls"
EMAIL_TIMEOUT = 20
LOGGING_CONFIG = None  # proxy/web/logs.py sets logging up, for each process its own file

TESTING = "pytest" in sys.modules
