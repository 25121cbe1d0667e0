"""The two tables: which classes come in, and what a status means."""

import pytest

from proxy.network import contexts
from proxy.network.statuses import Meaning, explain


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (0x0000, Meaning.STORED),
        (0xB000, Meaning.STORED),
        (0xB007, Meaning.STORED),
        (0xA700, Meaning.LATER),
        (0xA7FF, Meaning.LATER),
        (0x0110, Meaning.LATER),
        (0xA900, Meaning.REFUSED),
        (0xC000, Meaning.REFUSED),
        (0xCFFF, Meaning.REFUSED),
        (0x0122, Meaning.PERSON),
        (0x0124, Meaning.PERSON),
        (0x4711, Meaning.PERSON),
    ],
)
def test_a_status_means_one_thing(code: int, meaning: Meaning) -> None:
    status = explain(code)
    assert status.meaning is meaning
    assert status.sentence.endswith(".")


def test_the_default_takes_ct_pt_and_mr_and_what_refers_to_them() -> None:
    uids = contexts.accepted_classes(["default"])
    ct, pet, mr, seg = "2", "128", "4", "66.4"
    assert {f"1.2.840.10008.5.1.4.1.1.{suffix}" for suffix in (ct, pet, mr, seg)} <= set(uids)
    assert "1.2.840.10008.5.1.4.1.1.7" not in uids


def test_raw_data_and_directories_stay_out_whatever_is_said() -> None:
    uids = contexts.accepted_classes(["all", "RawDataStorage", contexts.MEDIA_STORAGE_DIRECTORY])
    assert not contexts.NEVER_ACCEPTED & set(uids)
    assert len(uids) > 150


def test_keywords_and_private_uids_may_be_named() -> None:
    wanted = ["SecondaryCaptureImageStorage", "1.3.46.670589.5.0.1"]
    assert contexts.accepted_classes(wanted) == ("1.2.840.10008.5.1.4.1.1.7", "1.3.46.670589.5.0.1")


def test_a_word_nobody_knows_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="Sekundary"):
        contexts.accepted_classes(["Sekundary"])


def test_rounds_never_need_more_than_an_association_holds() -> None:
    pairs = [(f"1.2.{number // 3}", f"1.2.840.10008.1.2.{number % 3}") for number in range(300)]
    groups = contexts.rounds(pairs)
    assert [pair for group in groups for pair in group] == pairs
    assert all(len(contexts.proposals(group)) <= contexts.MOST_CONTEXTS for group in groups)
