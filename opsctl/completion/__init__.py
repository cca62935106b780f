"""Static completion scripts: generated once, no Python at a TAB."""
