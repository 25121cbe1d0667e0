"""The books of the whole house: what goes out, and what comes home, for each destination (promise 4).

To count every image anew takes longer with every year. So the books are kept by days, in UTC: an image belongs to the
day on which its revision was opened, on which it was held, or on which it came as a result. A day on which nothing is
on its way any more is *closed* (`closing.py`): its figures are written down, and whoever asks for the whole adds up
closed days and counts the others. Closed days are counted again and again, the longest ago first, and opened when they
do not say what the rows say; so what they hold saves time and proves nothing by itself. `ledger --anew` and `doctor`
count everything from the rows.
"""
