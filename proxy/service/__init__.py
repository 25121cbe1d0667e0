"""Pseudonymization as a service: images of a customer come in over HTTP, a ZIP of clean ones goes out, nothing stays.

A request is a stream from its first byte to its last (`body`, `multipart`, `archives`): each file goes through the
engine while it arrives (`proxy.deid.cleaning`), and what comes out of the engine goes into a ZIP (`packing`). Of an
original nothing is written anywhere, sealed or not; in memory there is as much of it as the engine needs. `upload`
tells the story, `fates` says what became of each file, `charging` counts and leaves the mark, `jobs` keeps answers
that are asked for later.

Persons are met in the vault of the customer's project: the same input gives the same output (V05), and who somebody is
can be looked up. Seals are not kept: neither is the clean image, so there is nothing that they could restore.
"""
