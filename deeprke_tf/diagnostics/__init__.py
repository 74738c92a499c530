"""What `deeprke doctor` looks at."""
