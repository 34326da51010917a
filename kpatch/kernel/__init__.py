"""What is known of one kernel release: image, symbols, config, compiler, source."""
