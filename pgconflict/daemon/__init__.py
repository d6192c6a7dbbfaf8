"""The service that 'pgconflict run' starts."""
