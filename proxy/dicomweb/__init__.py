"""DICOMweb (PS3.18): the studies service for programs on site and for customers.

Everything hangs under one root, `/dicomweb`. A token stands for what an association says over DIMSE: which node calls,
and which AE title it calls. From there on nothing is decided here: routes, rights, views and gates are those of the
wire, so that a node sees and may over HTTP what it sees and may over DIMSE.
"""
