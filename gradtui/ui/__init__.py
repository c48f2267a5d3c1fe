"""The Textual app: one widget a file. Imports stream and diagnose, never probe or lab."""
