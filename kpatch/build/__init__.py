"""From kernel and source diff to a hot patch module."""
