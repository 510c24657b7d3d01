"""The chat's use of its own machine: child processes, embedded servers, folders, programs."""
