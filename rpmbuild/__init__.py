"""Hot patch modules as RPMs, and the repository that publishes them."""
