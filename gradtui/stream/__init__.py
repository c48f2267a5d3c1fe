"""The run directory and what is written in it: the only interface between a trainer and its viewers.

Nothing in this room imports torch, textual or any other room of gradtui, so a recording can be read anywhere.
"""
