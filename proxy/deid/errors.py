"""Whose fault it is. Messages carry offsets, never values, nor tags: behind a wrong length a value is read as one."""


class DeidError(Exception):
    """Something kept an object from being de-identified or restored."""


class Unreadable(DeidError):
    """The sender's fault: the data set does not follow PS3.5 (C-STORE status 0xC000)."""


class TooLarge(Unreadable):
    """A bound was crossed, that of a header or one of the following: the same object crosses it whenever it comes."""


class TooDeep(TooLarge):
    """Sequences within sequences."""


class TooInflated(TooLarge):
    """What a deflated data set becomes."""


class TooMuchToMask(TooLarge):
    """Pixel data of an image that is to be masked are held in memory."""


class EngineFault(DeidError):
    """Our fault: something unexpected; the object must not pass (C-STORE status 0x0110)."""


class RecipeError(DeidError):
    """A recipe that cannot mean anything: refused at load, with file and line."""


class WrongSeal(DeidError):
    """This seal does not belong to these bytes."""
