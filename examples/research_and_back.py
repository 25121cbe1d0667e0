"""A research export that can be undone: python research_and_back.py IN.dcm OUT.dcm KEY SEALS

What was taken out lies in the folder SEALS, encrypted under a key that follows from KEY. Then the way back: the data
set comes out as it was, byte for byte. Needs the extra `seals` (cryptography).
"""

import sys
from pathlib import Path

from proxy.deid import Engine, Lockbox, deidentify_file, load_recipe, new_key, read_key, restore, split

SOP_INSTANCE_UID = 0x00080018

source, target, key_file, seals = (Path(word) for word in sys.argv[1:5])
keyed = read_key(key_file) if key_file.exists() else new_key(key_file)
box = Lockbox(seals, keyed)
clean = deidentify_file(source, target, Engine(load_recipe("research")), keyed.subject)
uid = clean.values[SOP_INSTANCE_UID].decode()
box.put(uid, clean.seal)

parts = split(target.read_bytes())
original = restore(bytes(parts.dataset), parts.syntax, box.get(uid))
print("as it was:", original == bytes(split(source.read_bytes()).dataset))
