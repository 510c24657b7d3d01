"""The stand-in for Azure Resource Manager, a program of its own: `starter` starts it.

It speaks the published protocol to the real SDK and says no as Azure does. Nothing of it is
Microsoft's.
"""
