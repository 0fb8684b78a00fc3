"""The release gate: every clip of a suite certified, one verdict, and reports a person can read."""
