# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel draws, names what exists in this Blender, and fits into its region."""

from __future__ import annotations


def test_panels_draw_and_nothing_is_cut_off(blender):
    found = blender("panels.py")
    assert found["faults"] == []
    empty, full = found["empty"], " ".join(found["full"])
    for text in ("Capture Memory...", "What Now", "Open Demo Scene", "The backend is not running.",
                 "The backend is not installed",
                 "Nothing was rendered yet.", "Estimate Size", "Copy Report"):  # fmt: skip
        assert text in empty, text
    for text in ("Seed 123456, steps 2,", "most often for want", "disk is full",
                 "An installation was interrupted", "A newer WorldFM saved",
                 "Poor: expect", "off by about 42 %", "which was assumed", "17 of the capture's 67",
                 "Photos keep their look", "Smoke 7", "and 2 more",
                 "cuda:0: A card, 12.9 of 25.8 GB free", "1 memory frame,"):  # fmt: skip
        assert text in full, text
    assert "There is no Python at the place named below" in found["astray"]
    words, japanese, chinese, path, nothing = found["lines"].values()
    assert words == ["Pictures by", "Cycles make the", "frames look like", "it"]
    assert japanese == ["Cyclesの画像があ", "ると、その見た目", "になります。"]
    assert chinese == ["生成画面的", "WorldFM 后端尚未", "安装"]
    assert path == ["/a/path/that/doe", "s/not/fit is", "missing"] and nothing == [""]
    assert found["size"][0] == 1 and found["size"][1] > 50
