"""What an account says before anything is made, against the stand-in for Azure."""

from dataclasses import replace

import pytest

from nochat.lab.azure.account import AzureAccount
from nochat.lab.errors import AzureSettingsError, CheckFailed

pytestmark = pytest.mark.slow


def test_a_preflight_says_all_that_is_missing(student):
    assert "✓ the image is there" in repr(student.account.preflight())
    bad = replace(
        student.settings, vm_size="Standard_B4ms", vm_image_urn="a:b:c:d", dns_name="chat"
    )
    with pytest.raises(CheckFailed) as failed:
        AzureAccount((bad, bad)).preflight()
    for line in (
        "✗ its cores are within the quota  (seen: quota cores: 4 free, 8 wanted)",
        "✗ the image is there",
        "az vm image list",
        "✗ the name is free  (seen: DnsRecordInUse: chat)",
    ):
        assert line in str(failed.value)
    wrong = replace(student.settings, client_secret="nonsense", ssh_from="")
    with pytest.raises(CheckFailed, match="AADSTS7000215") as failed:
        AzureAccount((wrong,)).preflight()
    assert "AZURE_SSH_FROM is not set" in str(failed.value)
    assert student.azure.secret not in str(failed.value) + repr(student.account)


def test_the_variables_that_are_missing_are_named():
    with pytest.raises(AzureSettingsError, match="not set: AZURE_TENANT_ID, AZURE_CLIENT_ID"):
        AzureAccount.from_environment({"AZURE_CLIENT_SECRET": "x"})
