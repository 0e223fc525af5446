"""Programs of the repository: set-up, tests, the gate, the demonstration, and makers of test data."""
