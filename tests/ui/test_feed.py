import os
from pathlib import Path

from gradtui.stream.events import Applied, encode
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.feed import Feed
from gradtui.ui.life import life
from tests.ui import recordings as rec


def test_events_are_taken_in_as_they_are_written(tmp_path: Path) -> None:
    run = rec.write(tmp_path, [])
    feed = Feed(run)
    assert feed.poll().count == 0
    rec.append(run, [rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3), Applied(id="x", step=0, toggle="lr", value=0.1)])
    news = feed.poll()
    assert (news.count, news.hello, [a.id for a in news.applied]) == (3, True, ["x"])
    assert feed.state.settings["lr"] == 0.1


def test_a_long_recording_is_read_in_pieces(tmp_path: Path) -> None:
    run = rec.write(tmp_path, [rec.hello(rec.layers(50)), *(rec.frame(step, rec.vanishing(50)) for step in range(200))])
    feed = Feed(run)
    first = feed.poll(budget=0.0)
    assert 0 < first.count < 201
    assert feed.behind
    while feed.behind:
        feed.poll()
    assert feed.state.frame is not None
    assert feed.state.frame.step == 199


def test_a_replaced_recording_is_read_anew(tmp_path: Path) -> None:
    run = rec.write(tmp_path, [rec.hello(rec.layers(3)), *(rec.frame(step, [0.1] * 3) for step in range(5))])
    feed = Feed(run)
    feed.poll()
    copy = tmp_path / "copy"
    copy.write_bytes(encode(rec.hello(rec.layers(3))) + encode(rec.frame(4, [0.2] * 3)))
    copy.replace(run.events)
    assert feed.poll().hello
    assert [point.step for point in feed.state.history.loss.points] == [4]


def test_a_missing_recording_is_waited_for(tmp_path: Path) -> None:
    feed = Feed(RunDirectory(tmp_path / "gone"))
    feed.poll()
    assert feed.missing


def test_what_was_recorded_long_before_this_viewer_came_is_no_sign_of_life(tmp_path: Path) -> None:
    run = rec.write(tmp_path, [rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3)])
    os.utime(run.events, (1e9, 1e9))
    feed = Feed(run)
    feed.poll()
    assert feed.silent_for > 1e8
    assert life(feed.state, None, feed.silent_for).word == "SILENT"
    rec.append(run, [rec.frame(1, [0.1] * 3)])
    feed.poll()
    assert feed.silent_for < 1e8
