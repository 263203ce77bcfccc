import numpy as np
import pytest

from nanohtnet_ros.detectors.search import (
    SMALLEST_PX,
    WHOLE_EVERY,
    Search,
    Tile,
    around,
    grid,
    levels,
    round_looks,
    whole,
)


def test_a_tile_and_its_view_share_their_coordinates():
    image = np.zeros((480, 640, 3), np.uint8)
    image[300:310, 400:410] = 255
    tile = Tile(350, 250, 100)
    view = tile.view(image, 200)
    rows, columns = np.nonzero(view[..., 0])
    centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5]) / 200
    np.testing.assert_allclose(tile.to_image(centre), (405, 305), atol=1.0)
    np.testing.assert_allclose(tile.from_image(tile.to_image(centre)), centre)


def test_beyond_the_image_a_view_is_black():
    view = whole(640, 480).view(np.full((480, 640, 3), 255, np.uint8), 224)
    assert (view[112] == 255).all() and not view[:27].any() and not view[-27:].any()


@pytest.mark.parametrize("centre", [(320, 240), (5, 470), (630, 500), (-50, 0)])
def test_a_tile_around_a_point_stays_in_the_image_or_has_it_all_inside(centre):
    tile = around(np.array(centre), 200, 640, 480)
    assert 0 <= tile.x0 <= 440 and 0 <= tile.y0 <= 280
    large = around(np.array(centre), 600, 640, 480)
    assert 0 <= large.x0 <= 40 and -120 <= large.y0 <= 0
    assert around(np.array((320, 240)), 200, 640, 480) == Tile(220, 140, 200)


@pytest.mark.parametrize("size", [(640, 480), (1080, 1920), (1920, 1080), (3840, 2160), (320, 240), (1000, 30)])
def test_tiles_lie_in_the_image_cover_it_and_overlap(size):
    for share in (0.6, 0.36):
        side = share * min(size)
        level = grid(*size, side)
        for axis, overlap in ((0, 0.1), (1, 0.3)):
            starts = sorted({(tile.x0, tile.y0)[axis] for tile in level})
            assert starts[0] == 0 and starts[-1] + side == pytest.approx(max(size[axis], side))
            assert (np.diff(starts) <= (1 - overlap) * side + 1e-6).all()


def test_smaller_tiles_where_there_is_time_and_pixels():
    assert [len(level) for level in levels(640, 480, 0)] == [6]  # the largest ones always
    assert levels(640, 480, 60)[-1][0].side < 0.4 * 480
    assert levels(640, 480, 10_000)[-1][0].side >= SMALLEST_PX
    assert levels(3840, 2160, 10_000)[-1][0].side < 0.1 * 2160
    assert levels(200, 150, 100) == []
    assert levels(640, 200, 0)[0][0].side == 200  # of a wide image the whole shows little


def looked_at(search: Search, looks: int, size=(640, 480), period_s=0.04) -> list[Tile]:
    return [search.next(*size, period_s) for _ in range(looks)]


@pytest.mark.parametrize(("round_s", "period_s"), [(2.0, 1 / 30), (0.5, 1 / 30), (2.0, 1 / 60), (6.5, 0.1)])
def test_a_round_takes_no_longer_than_stated(round_s, period_s):
    looks = max(int(round_s / period_s), round_looks(levels(640, 480, 0)))
    wanted = {tile for level in levels(640, 480, looks) for tile in level}
    seen = looked_at(Search(round_s), 3 * looks, period_s=period_s)
    for start in (0, 7, looks):  # from whenever somebody comes in
        assert wanted <= set(seen[start : start + looks])


def test_large_tiles_do_not_wait_for_small_ones():
    seen = looked_at(Search(6.5), 65, period_s=0.1)
    coarse, fine = (set(level) for level in levels(640, 480, 65))
    assert fine <= set(seen) and all(coarse <= set(seen[start : start + 17]) for start in range(48))


def test_the_whole_image_is_looked_at_first_and_often():
    seen = looked_at(Search(2.0), 40)
    assert [i for i, tile in enumerate(seen) if tile == whole(640, 480)] == list(range(0, 40, WHOLE_EVERY))
    assert len(looked_at(Search(2.0), 5, size=(200, 150))) == 5  # too small for tiles


def test_a_frame_rate_that_wavers_changes_nothing():
    search, steady = Search(2.0), Search(2.0)
    rng = np.random.default_rng(0)
    wavering = [search.next(640, 480, period) for period in rng.uniform(0.036, 0.044, 100)]
    assert wavering == looked_at(steady, 100)
    assert max(tile.side for tile in looked_at(search, 40, size=(1920, 1080))) == 1920  # another image's tiles
