"""ELF relocatable objects: a read and write model without kernel knowledge."""
