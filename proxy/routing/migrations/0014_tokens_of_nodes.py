import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0013_folders_may_name_their_files'),
    ]

    operations = [
        migrations.CreateModel(
            name='NodeToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('called_ae', models.CharField(help_text='Whom it calls: that decides the route.', max_length=16)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('made_at', models.DateTimeField()),
                ('made_by', models.CharField(max_length=150)),
                ('until', models.DateField(blank=True, help_text='Its last day; empty: until it is withdrawn.', null=True)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('used_at', models.DateTimeField(blank=True, help_text='To the hour.', null=True)),
                ('node', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tokens', to='routing.node')),
            ],
        ),
    ]
