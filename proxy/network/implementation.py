"""Who we say we are when an association is negotiated (PS3.7 D.3.3.2).

The same as in the File Meta of the files we write (`deid.part10`): whoever looks for the cause of something odd finds
one name, on the wire and on the disk.
"""

from typing import Final

from pynetdicom import AE

CLASS_UID: Final = "2.25.120679641893348774678317643276973692606"
VERSION_NAME: Final = "POSTERN_1"


def entity(ae_title: str) -> AE:
    """An application entity under our name."""
    ae = AE(ae_title=ae_title)
    ae.implementation_class_uid, ae.implementation_version_name = CLASS_UID, VERSION_NAME
    return ae
