"""Backup and restore: one archive of database and files with a digest for each, and never a key in it."""
