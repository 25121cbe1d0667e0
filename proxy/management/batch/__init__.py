"""De-identify files and folders: one bad file never ends the batch, and nothing identified is written.

`running` hands groups of files to workers (`crew`), each of which recognises and cleans (`proxy.deid.cleaning`) and
seals (`sealing`) its own; one process then gives the clean files their names, in order (`placing`), and writes what
was asked for beside them (`mapping`, `directory`). Names of files and folders may be names of persons: they are not
kept. The person comes from the project's vault and the seal goes there, so that the way back stays open.
"""
