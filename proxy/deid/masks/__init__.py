"""Burned-in text made black: which rectangles of which devices (entries), what to do with one image (plan), and
doing it (frames). Decided from the header before a pixel is seen; whatever does not fit exactly is held.
"""

from proxy.deid.masks.entries import Entry, load_entries, shipped
from proxy.deid.masks.frames import mask
from proxy.deid.masks.plan import PIXEL_TAGS, MaskPlan, plan_for

__all__ = ["PIXEL_TAGS", "Entry", "MaskPlan", "load_entries", "mask", "plan_for", "shipped"]
