"""Commands: option tables, the error boundary, wiring."""
