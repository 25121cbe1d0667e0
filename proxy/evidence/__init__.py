"""What proves to somebody else how a study was treated: a signed statement for each revision that was released."""
