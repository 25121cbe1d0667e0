import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Token",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("name", models.CharField(help_text="What it is for, such as monitoring.", max_length=64)),
                (
                    "digest",
                    models.CharField(help_text="SHA-256 of what was shown once.", max_length=64, unique=True),
                ),
                ("made_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "used_on",
                    models.DateField(blank=True, help_text="The day on which it was last used.", null=True),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
