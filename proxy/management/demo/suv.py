"""SUV by body weight: what becomes of it shows whether dates, times, dose and weight still belong together."""

from datetime import datetime

from pydicom import Dataset


def highest_suv(ds: Dataset) -> float:
    """Of a slice in BQML whose decay is corrected to the start of its series."""
    dose = ds.RadiopharmaceuticalInformationSequence[0]
    waited = _moment(ds.SeriesDate, ds.SeriesTime) - _moment(ds.SeriesDate, dose.RadiopharmaceuticalStartTime)
    left: float = float(dose.RadionuclideTotalDose) * 0.5 ** (
        waited.total_seconds() / float(dose.RadionuclideHalfLife)
    )
    highest: float = float(ds.pixel_array.max()) * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    return highest * float(ds.PatientWeight) * 1000 / left


def _moment(day: str, time: str) -> datetime:
    return datetime.strptime(f"{day}{str(time)[:6]}", "%Y%m%d%H%M%S")
