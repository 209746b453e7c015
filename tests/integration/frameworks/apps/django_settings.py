"""The settings that the three Django apps share."""

from __future__ import annotations

from django.conf import settings


def configure(urls: str, *installed_apps: str) -> None:
    """Configure Django, once in a process.

    Args:
        urls: the name of the module with ``urlpatterns``.
        installed_apps: what is to be installed.
    """
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATA_UPLOAD_MAX_MEMORY_SIZE=16 * 2**20,  # 2.5 MiB if it is not set
        INSTALLED_APPS=list(installed_apps),
        LOGGING_CONFIG=None,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []},
        ROOT_URLCONF=urls,
        SECRET_KEY="not for production",
    )
