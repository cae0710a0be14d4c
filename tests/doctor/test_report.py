from dinomm.doctor.findings import advice, fault
from dinomm.doctor.report import counted, duration, in_order, show_findings, show_section, size


def test_sections_are_aligned_and_wrapped():
    lines = []
    show_section('Title', [('a', 'x'), ('long', 'word ' * 40), ('', 'y')], lines.append)
    assert lines[0] == '\nTitle' and lines[1] == '  a     x'
    assert all(len(line) <= 111 for line in lines)
    assert len([line for line in lines if 'word' in line]) > 1
    assert lines[-1] == '        y'


def test_repeated_names_stand_once():
    lines = []
    show_section('T', [('views', '1'), ('views', '2')], lines.append)
    assert lines[1:] == ['  views  1', '         2']


def test_empty_section():
    show_section('T', [], lambda line: 1 / 0)


def test_faults_first():
    found = [advice('a', '1'), fault('b', '2'), advice('c', '3'), fault('d', '4')]
    assert [one.subject for one in in_order(found)] == ['b', 'd', 'a', 'c']
    lines = []
    show_findings(found, lines.append)
    assert lines[1].strip() == '!! b: 2' and '2 of them would make the run fail' in lines[-1]


def test_nothing_to_do():
    lines = []
    show_findings([], lines.append)
    assert lines == ['\nNothing to do: the run can start.']


def test_units():
    assert counted(2, 'epoch') == '2 epochs' and counted(1, 'step') == '1 step'
    assert counted(2, 'micro-batch') == '2 micro-batches'
    assert duration(1 / 360) == '10 s' and duration(0.5) == '30.0 minutes'
    assert duration(5) == '5.0 hours' and duration(96) == '4.0 days'
    assert size(5e6) == '5.0 MB' and size(2.5e9) == '2.50 GB'
