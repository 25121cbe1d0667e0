"""The Store transaction (STOW-RS, PS3.18 10.5): each image goes the way of a C-STORE, part by part, as it comes."""
