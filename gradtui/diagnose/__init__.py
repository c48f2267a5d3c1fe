"""What is wrong, in words: a pure function of the event stream. Imports neither torch nor textual."""
