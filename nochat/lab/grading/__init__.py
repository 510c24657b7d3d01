"""`nochat grade`: judges submitted notebooks, each in a sandbox of its own."""
