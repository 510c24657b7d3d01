"""What the chat uses of its own machine: child processes, embedded servers, folders, programs."""
