from dinomm.report.html import Html, join, table, tag


def test_texts_and_attributes_are_escaped():
    assert tag('p', '<script>&') == '<p>&lt;script&gt;&amp;</p>'
    assert tag('a', href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;"></a>'
    assert join('<', tag('b', '>')) == '&lt;<b>&gt;</b>'
    assert '&lt;i&gt;' in table([('<i>', 1)])


def test_elements():
    assert tag('p', 1, None, class_='a', aria_label='b', hidden=True, id=None) == (
        '<p class="a" aria-label="b" hidden>1</p>'
    )
    assert tag('img', src='x') == '<img src="x">'
    assert isinstance(tag('p'), Html)
    assert join('a', 'b', by='; ') == 'a; b'


def test_table_has_headings_of_rows_and_columns():
    text = table([('row', 'cell')], ('', 'column'))
    assert '<th scope="row">row</th><td>cell</td>' in text
    assert '<th scope="col">column</th>' in text
