"""`/v1/jobs`: a result that waits for a day, for its customer alone."""

import io
import os
import stat
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.service import jobs, spool
from proxy.service.fates import Fates
from proxy.service.jobs import Known, Progress, StillRunning
from proxy.service.lifecycle import DONE, FAILED, GONE, RUNNING
from proxy.service.models import Job
from proxy.service.spool import Spool
from proxy.service.troubles import Busy
from proxy.storage.keys import KeysMissing
from proxy.tiers.table import ENTERPRISE
from tests import cast
from tests.api.conftest import data
from tests.api.test_doors import is_problem
from tests.api.v1.service import ANONYMIZE, JOBS, Sender, a_sender, unpacked

__all__ = ["data"]

CT = cast.part10(cast.ct())
DAY = timedelta(days=1)


@pytest.fixture
def sender(db: None) -> Sender:
    return a_sender(tier=ENTERPRISE)


def files() -> list[str]:
    return sorted(path.name for path in spool.folder().iterdir()) if spool.folder().is_dir() else []


# --- what is refused ----------------------------------------------------------------------------------


def test_a_tier_without_jobs_hears_so(db: None) -> None:
    assert is_problem(a_sender().send([CT], JOBS), 403, "no-jobs")
    assert not Job.objects.exists()


def test_what_is_not_there_or_not_yours(sender: Sender) -> None:
    name = sender.send([CT], JOBS).json()["id"]
    other = a_sender("other", ENTERPRISE)
    for path in (f"{JOBS}/{'0' * 32}", f"{JOBS}/{name}", f"{JOBS}/{name}/result"):
        assert is_problem(other.get(path), 404, "not-found")
    assert is_problem(other.delete(f"{JOBS}/{name}"), 404, "not-found")
    assert other.get(JOBS).json() == {"results": [], "next": None}


def test_a_job_that_came_to_nothing_says_why(sender: Sender) -> None:
    assert is_problem(sender.send([b"x"], JOBS, Idempotency_Key="one"), 422, "nothing-usable")
    [job] = sender.get(JOBS).json()["results"]
    assert job["state"] == FAILED and job["reason"]
    assert is_problem(sender.get(f"{JOBS}/{job['id']}/result"), 409, "failed")
    assert files() == []


@pytest.mark.parametrize(
    ("trouble", "status"), [(ValueError("Exampleova"), 500), (KeysMissing("Exampleova"), 503)]
)
def test_a_fault_of_ours_is_not_quoted(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, trouble: Exception, status: int
) -> None:
    def broken(*_: object) -> None:
        raise trouble

    monkeypatch.setattr("proxy.service.upload.Upload.all_of", broken)
    assert sender.send([CT], JOBS).status_code == status
    [job] = sender.get(JOBS).json()["results"]
    assert job["state"] == FAILED and job["reason"] == "It ended in a fault of ours; send it again."


def test_a_failed_one_of_the_other_kind_is_not_begun_again(sender: Sender) -> None:
    job = begin(sender, "a", Job.JOB)
    assert isinstance(job, Job)
    jobs.fail(job, "It failed.", timezone.now())
    assert isinstance(begin(sender, "a", Job.ANSWER), Known)
    assert begin(sender, "a", Job.JOB) == job


def test_no_room_to_keep_it(sender: Sender, settings: LazySettings) -> None:
    settings.SERVICE_KEPT_LIMIT = 0
    assert is_problem(sender.send([CT], JOBS), 503, "crowded")


def test_a_job_that_could_never_be_kept_hears_so_before_it_is_sent(
    sender: Sender, settings: LazySettings
) -> None:
    settings.SERVICE_KEPT_LIMIT = 1
    assert is_problem(sender.send([bytes(1 << 20)], JOBS), 413, "too-large")
    assert not Job.objects.exists()


def test_a_result_for_which_there_is_no_room_in_the_end_costs_nothing(
    sender: Sender, settings: LazySettings
) -> None:
    settings.SERVICE_KEPT_LIMIT = 1
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(1, 4):
            image = cast.ct(instance=number, size=512)
            image.PixelData = bytes(len(image.PixelData))
            archive.writestr(f"{number}.dcm", cast.part10(image))
    assert is_problem(sender.send([packed.getvalue()], JOBS), 503, "crowded")
    [job] = sender.get(JOBS).json()["results"]
    assert job["state"] == FAILED and sender.charged == 0 and files() == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=x", "state=odd", "other=1"])
def test_what_cannot_be_meant_of_a_list(sender: Sender, query: str) -> None:
    assert is_problem(sender.get(f"{JOBS}?{query}"), 400, "invalid")


def test_a_list_comes_in_pages(sender: Sender) -> None:
    names = [sender.send([CT], JOBS).json()["id"] for _ in range(5)]
    sender.send([CT], ANONYMIZE, Idempotency_Key="no job")
    found, query = [], "?limit=2"
    while True:
        page = sender.get(JOBS + query).json()
        found.append([one["id"] for one in page["results"]])
        if page["next"] is None:
            break
        query = f"?limit=2&cursor={page['next']}"
    assert found == [[names[4], names[3]], [names[2], names[1]], [names[0]]]
    assert [one["id"] for one in sender.get(JOBS).json()["results"]] == names[::-1]
    assert sender.get(f"{JOBS}?state=failed").json() == {"results": [], "next": None}


# --- what comes of it ---------------------------------------------------------------------------------


def test_a_result_can_be_fetched_again_and_again_until_it_is_removed(sender: Sender) -> None:
    answer = sender.send([CT, b"x"], JOBS)
    job = answer.json()
    assert answer.status_code == 202 and answer["Location"] == f"{JOBS}/{job['id']}"
    assert (job["state"], job["processed"], job["failed"]) == (DONE, 1, 1)
    assert sender.get(f"{JOBS}/{job['id']}").json() == job
    results = [unpacked(sender.get(f"{JOBS}/{job['id']}/result")) for _ in range(2)]
    assert results[0] == results[1] and results[0].report["audit"] == job["audit"]
    assert len(files()) == 1 and sender.charged == 1
    assert sender.delete(f"{JOBS}/{job['id']}").status_code == 204
    assert files() == [] and sender.get(f"{JOBS}/{job['id']}").json()["state"] == GONE
    assert is_problem(sender.get(f"{JOBS}/{job['id']}/result"), 410, "answer-gone")
    assert sender.delete(f"{JOBS}/{job['id']}").status_code == 204


def test_a_result_that_broke_off_is_resumed(sender: Sender) -> None:
    job = sender.send([CT], JOBS).json()
    path = f"{JOBS}/{job['id']}/result"
    whole = sender.get(path)
    assert whole["Accept-Ranges"] == "bytes" and whole["ETag"] == f'"{job["audit"]}"'
    half, size = len(whole.whole) // 2, len(whole.whole)
    for wanted, start, end in (
        (f"bytes={half}-", half, size),
        ("bytes=0-99", 0, 100),
        (f"bytes=10-{size + 5}", 10, size),
        ("bytes=-7", size - 7, size),
    ):
        part = sender.get(path, Range=wanted, If_Range=whole["ETag"])
        assert (part.status_code, part["Content-Range"]) == (206, f"bytes {start}-{end - 1}/{size}")
        assert part.whole == whole.whole[start:end] and part["Content-Length"] == str(end - start)
    for more in (
        {"Range": "bytes=5-9", "If_Range": '"other"'},
        {"Range": "lines=1-2"},
        {"Range": "bytes=9-5"},
    ):
        again = sender.get(path, **more)
        assert again.status_code == 200 and again.whole == whole.whole
    beyond = sender.get(path, Range=f"bytes={size}-")
    assert is_problem(beyond, 416, "no-range") and beyond["Content-Range"] == f"bytes */{size}"


def test_a_result_is_gone_after_a_day_whether_anybody_swept_or_not(sender: Sender) -> None:
    job = sender.send([CT], JOBS, Idempotency_Key="one").json()
    Job.objects.update(expires_at=timezone.now())
    assert is_problem(sender.get(f"{JOBS}/{job['id']}/result"), 410, "answer-gone")
    assert sender.get(f"{JOBS}/{job['id']}").json()["state"] == GONE and files() == []
    again = sender.send([CT], JOBS, Idempotency_Key="one")
    assert again.status_code == 202 and again.json()["id"] != job["id"]


def test_what_is_kept_is_its_owners_to_read_alone(sender: Sender) -> None:
    sender.send([CT], JOBS)
    [name] = files()
    kept = spool.folder() / name
    assert [stat.S_IMODE(one.stat().st_mode) for one in (kept, kept.parent)] == [0o600, 0o700]


def test_the_same_job_again_is_the_same_job(sender: Sender) -> None:
    first, second = (sender.send([CT], JOBS, Idempotency_Key="one").json() for _ in range(2))
    assert first == second and sender.charged == 1
    assert is_problem(sender.send([CT], ANONYMIZE, Idempotency_Key="one"), 422, "other-body")


def test_after_a_day_it_is_gone_and_its_key_is_free(sender: Sender) -> None:
    sender.send([CT], JOBS, Idempotency_Key="one")
    sender.send([CT], ANONYMIZE, Idempotency_Key="two")
    assert jobs.sweep(timezone.now() + DAY / 2) == 0 and len(files()) == 2
    assert jobs.sweep(timezone.now() + DAY * 1.01) > 0
    assert files() == [] and not Job.objects.exists()
    assert sender.send([CT], JOBS, Idempotency_Key="one").status_code == 202


# --- those who work on it -----------------------------------------------------------------------------


def begin(sender: Sender, key: str = "key", kind: str = Job.ANSWER) -> object:
    return jobs.begin(sender.customer, kind, key, timezone.now())


def test_of_two_under_one_key_one_works(sender: Sender) -> None:
    assert isinstance(begin(sender), Job)
    assert isinstance(begin(sender), StillRunning)
    assert isinstance(begin(sender, "other"), Job)
    assert isinstance(begin(sender, ""), Job) and isinstance(begin(sender, ""), Job)


def test_one_whose_process_is_gone_fails_and_may_be_done_again(sender: Sender) -> None:
    job = begin(sender)
    assert isinstance(job, Job)
    Job.objects.update(seen_at=timezone.now() - jobs.LEASE * 1.1)
    again = begin(sender)
    assert isinstance(again, Job) and again.pk == job.pk and again.token != job.token
    with pytest.raises(Busy):  # whoever had it comes back
        Progress(stale(job)).say(1, Fates())
    jobs.fail(job, "late", timezone.now())
    again.refresh_from_db()
    assert again.state == RUNNING


class Killed(BaseException):
    """As SIGKILL, but for what is written when an exception passes."""


@pytest.mark.parametrize("path", [JOBS, ANONYMIZE])
def test_what_a_kill_breaks_off_is_charged_once_when_it_comes_again(
    sender: Sender, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "keep", gone)
        patched.setattr(jobs, "fail", gone)
        with pytest.raises(Killed):
            sender.send([CT], path, Idempotency_Key="one")
    assert sender.charged == 0 and Job.objects.get().state == RUNNING
    Job.objects.update(seen_at=timezone.now() - jobs.LEASE * 1.1)
    assert sender.send([CT], path, Idempotency_Key="one").status_code in {200, 202}
    assert sender.charged == 1 and Job.objects.get().state == DONE


def stale(job: Job) -> Job:
    job.seen_at = timezone.now() - DAY
    return job


def test_progress_is_told_now_and_then(sender: Sender) -> None:
    job = begin(sender)
    assert isinstance(job, Job)
    progress, fates = Progress(job), Fates()
    progress.say(10, fates)
    job.refresh_from_db()
    assert job.received == 0
    Progress(stale(job)).say(1_000, fates)
    job.refresh_from_db()
    assert job.received == 1_000


def test_answers_make_room_oldest_first_and_jobs_do_not(sender: Sender, settings: LazySettings) -> None:
    for key, kind in (("a", Job.ANSWER), ("b", Job.JOB), ("c", Job.ANSWER)):
        kept(sender, key, kind, 400 << 10)
    settings.SERVICE_KEPT_LIMIT = 1
    assert jobs.make_room(500 << 10)
    assert {job.key_mac: job.state for job in Job.objects.all()} == {"a": GONE, "b": DONE, "c": GONE}
    assert not jobs.make_room(900 << 10)
    assert Job.objects.get(key_mac="b").state == DONE


def kept(sender: Sender, key: str, kind: str, size: int) -> None:
    job = begin(sender, key, kind)
    assert isinstance(job, Job)
    with spool.opened(kept=True) as file:
        os.pwrite(file.handle, bytes(size), 0)
        jobs.keep(job, file, size, Fates(), "0" * 64, "", 0)


def test_what_a_kill_left_is_swept_and_what_lives_is_not(sender: Sender, data: Path) -> None:
    kept(sender, "a", Job.JOB, 10)
    [named] = files()
    for name in ("left.zip", "left.part"):
        path = spool.folder() / name
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    (spool.folder() / "young.part").write_bytes(b"x")
    os.utime(spool.folder() / named, (0, 0))
    jobs.sweep(timezone.now())
    assert files() == sorted([named, "young.part"])


def test_a_known_one_is_told(sender: Sender) -> None:
    kept(sender, "a", Job.ANSWER, 10)
    assert isinstance(begin(sender, "a"), Known)
    assert isinstance(begin(sender, "a", Job.JOB), Known)
