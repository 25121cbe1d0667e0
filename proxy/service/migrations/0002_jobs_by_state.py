from django.db import migrations, models


class Migration(migrations.Migration):
    """How much is kept, and whose process is gone, is asked with each request that is kept."""

    dependencies = [("service", "0001_initial")]
    operations = [
        migrations.AddIndex(
            model_name="job", index=models.Index(fields=["state", "seen_at"], name="service_job_by_state")
        )
    ]
