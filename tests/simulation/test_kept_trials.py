"""What a replay found is kept without names: those who are called so today are looked up when it is shown."""

from __future__ import annotations

from gateway.answers.simulation import nameless


def test_what_is_kept_names_people_by_their_ids_alone() -> None:
    one = {"lead": "a" * 32, "who": "Ann Berg", "live": 40.0, "draft": 60.0, "persona": "other", "at": "2026-01-01"}
    told = {"leads": 1, "examples": {"gained": [one], "dropped": []}}
    kept = nameless(told)
    assert kept == {
        "leads": 1,
        "examples": {"gained": [{key: value for key, value in one.items() if key != "who"}], "dropped": []},
    }
    assert told["examples"]["gained"][0]["who"] == "Ann Berg"  # who looks on is told
