from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_entries_by_actor")]
    operations = [
        migrations.CreateModel(
            name="LastAnchor",
            fields=[
                ("file", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("count", models.PositiveBigIntegerField()),
                ("head", models.CharField(max_length=64)),
                ("at", models.CharField(max_length=40)),
                ("mac", models.CharField(max_length=64)),
            ],
        ),
    ]
