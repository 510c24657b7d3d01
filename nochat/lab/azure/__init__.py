"""Machines in Azure: a student's account, what is made in it, and a stand-in to try it without one.

For example::

    with azure_stand_in() as azure:
        os.environ.update(azure.environment)
        AzureAccount.from_environment().plan()

Nothing is imported here: `vagrant/cloud_azure.py` starts often, and needs few of the modules.
"""
