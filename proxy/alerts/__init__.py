"""Alerts: what a person should know before they ask.

A *rule* (`rules/`) looks at one thing and says what it found. `deciding.py` holds that against the alerts there are:
what was found for long enough is raised, what became much worse is raised again, what is gone for a while is cleared,
and nothing else changes anything, so nobody is told twice. Each change goes into a *notice* for each *channel*
(`channels/`), and a notice is tried until it is told or given up.

`work` makes the rounds, any number of them: each look and each notice is claimed by one conditional update. What keeps
`work` or the database from running, keeps alerts from being told; `/health` is for who watches that from outside.

No identity stands in any of it, and no pseudonym either: alerts leave the house by e-mail. They name destinations,
gates, folders by the names of their settings, and counts.
"""
