from dinomm import launch


def test_ctrl_c_leaves_no_traceback(capfd):
    def interrupted():
        raise KeyboardInterrupt

    assert launch.run_tool(interrupted) == 130
    assert capfd.readouterr().err == 'interrupted\n'
