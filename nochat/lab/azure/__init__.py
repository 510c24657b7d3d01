"""Machines in Azure: a student's account, its resources, and a stand-in for trying without one.

For example::

    with azure_stand_in() as azure:
        os.environ.update(azure.environment)
        AzureAccount.from_environment().plan()

Nothing is imported here: `vagrant/cloud_azure.py` starts often, and needs few of the modules.
"""
