"""Pages for whoever answers for privacy: an agreement on processing (GDPR Art. 28), records of it (Art. 30)."""
