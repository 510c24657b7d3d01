"""The stand-in for Azure Resource Manager, a program of its own: `starter` starts it.

It speaks the published protocol to the real SDK, and returns Azure's errors. No part of it is
Microsoft's.
"""
