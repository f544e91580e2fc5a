"""The only SQL of the package: what is written here is what happened."""
