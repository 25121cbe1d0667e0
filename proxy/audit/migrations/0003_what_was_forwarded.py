from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_entries_stay_as_they_are")]
    operations = [
        migrations.CreateModel(
            name="Forwarding",
            fields=[
                ("name", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("up_to", models.PositiveBigIntegerField(default=0)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("tries", models.PositiveIntegerField(default=0, help_text="In vain, since it last went well.")),
                ("reason", models.CharField(blank=True, default="", max_length=255)),
                ("next_try_at", models.DateTimeField(blank=True, null=True)),
                ("token", models.CharField(blank=True, default="", max_length=32)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
            ],
        ),
    ]
