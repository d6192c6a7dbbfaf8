"""One module a subcommand; results on stdout, messages on stderr."""
