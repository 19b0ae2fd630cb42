"""One file per law over the table: every law runs on every entry, so a new op needs no new test."""
