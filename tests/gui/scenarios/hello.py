import bpy


def play(ui):
    yield 1.0
    yield from ui.tool(
        "xdotool", "mousemove", "100", "700", "key", "Escape", "mousemove", "300", "700"
    )
    yield 1.0
    yield from ui.picture("hello1")
    area = next(
        a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == "VIEW_3D"
    )
    region = next(r for r in area.regions if r.type == "WINDOW")
    before = area.spaces.active.region_3d.view_matrix.copy()
    yield from ui.drag(region, (0.3, 0.5), (0.6, 0.6))
    yield 0.5
    ui.result["moved"] = area.spaces.active.region_3d.view_matrix != before
    yield from ui.picture("hello2")
