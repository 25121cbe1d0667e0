"""What the doctor looks at. Each file here examines one part of the house and says what it found, line by line.

Looking changes nothing. What may be mended without a person's judgement is a `Repair` beside its finding, and
`--repair` carries it out.
"""
