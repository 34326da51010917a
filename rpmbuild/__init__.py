"""From a hot patch module to a signed RPM in a repository that dnf can read."""
