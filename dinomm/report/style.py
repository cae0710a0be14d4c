"""The look of the page: light and dark, from a phone to a desk."""

STYLE = """
:root { --paper: #ffffff; --card: #f6f7f9; --ink: #1f2328; --faint: #59636e; --line: #d5dae0;
  --link: #0b5cad; --good: #1a7f37; --watch: #946200; --bad: #c0232c; --unknown: #59636e;
  --c0: #0b5cad; --c1: #c4490e; --c2: #2b7a39; --c3: #7a3fa8; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12151a; --card: #1b2028; --ink: #e4e8ed; --faint: #9da7b3; --line: #363d48;
    --link: #74b3f5; --good: #57c06d; --watch: #e0ab3c; --bad: #ff7b7b; --unknown: #9da7b3;
    --c0: #6cb0f7; --c1: #f59a63; --c2: #6fcb80; --c3: #c596ee; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  overflow-wrap: break-word; }
a { color: var(--link); }
.page { max-width: 78rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .8rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p { max-width: 46rem; margin: 0 0 .8rem; }
.faint { color: var(--faint); }
nav { margin: 1.2rem 0 0; }
nav h2 { font-size: .85rem; margin: 0 0 .3rem; color: var(--faint); font-weight: 600; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
nav a { display: inline-block; padding: .15rem 0; text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
section { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: 1.4rem; }
.table { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .92rem; min-width: 26rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th { white-space: nowrap; } th[scope=row] { font-weight: 600; width: 1%; padding-right: 1.6rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .75rem .9rem; margin: 0 0 .8rem; font-size: .85rem; line-height: 1.45;
  white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
details { margin-top: 1rem; } summary { cursor: pointer; font-weight: 600; }
details pre { margin-top: .6rem; }
.verdicts { list-style: none; margin: 0; padding: 0; display: grid; gap: .6rem; }
.verdicts li { display: grid; grid-template-columns: 6.2rem 1fr; gap: 0 .9rem; padding: .6rem .9rem;
  background: var(--card); border-radius: 6px; border-left: 4px solid var(--state); }
.verdicts .badge { color: var(--state); font-weight: 700; grid-row: span 2; }
.verdicts strong { font-weight: 600; } .verdicts p { margin: 0; overflow-wrap: anywhere; }
.good { --state: var(--good); } .watch { --state: var(--watch); } .bad { --state: var(--bad); }
.unknown { --state: var(--unknown); }
.charts { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
.chart { max-width: 38rem; }
.chart svg { display: block; width: 100%; height: auto; }
.chart text { fill: var(--faint); font-size: 14px; font-family: inherit; }
.chart .end { text-anchor: end; } .chart .middle { text-anchor: middle; }
.chart .halo { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.chart .grid { stroke: var(--line); } .chart .mark { stroke: var(--ink); stroke-dasharray: 6 5; }
.chart polyline { fill: none; stroke: var(--series); stroke-width: 2.2; stroke-linejoin: round; }
.chart circle { fill: var(--series); }
.line-0 { --series: var(--c0); } .line-1 { --series: var(--c1); }
.line-2 { --series: var(--c2); } .line-3 { --series: var(--c3); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .2rem 0 0;
  padding: 0 0 0 3rem; font-size: .88rem; }
.key { display: inline-block; width: 1.1rem; height: .22rem; margin-right: .4rem;
  vertical-align: middle; background: var(--series); border-radius: 2px; }
.picture { margin-bottom: 1rem; max-width: 62rem; }
.picture img { display: block; max-width: 100%; height: auto; background: #ffffff;
  border: 1px solid var(--line); border-radius: 6px; }
.picture figcaption { font-weight: 400; color: var(--faint); max-width: 46rem; margin: .4rem 0 0; }
.missing { border-left: 4px solid var(--line); padding: .2rem 0 .2rem .9rem; color: var(--faint); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
@media (max-width: 40rem) {
  .page { padding: 1.1rem 1rem 3rem; } h1 { font-size: 1.4rem; }
  .pairs table { min-width: 0; } .pairs th, .pairs td { display: block; width: auto; padding: 0; }
  .pairs th { white-space: normal; border: 0; padding-top: .5rem; }
  .pairs td { padding-bottom: .5rem; }
  .chart text { font-size: 17px; } .verdicts li { grid-template-columns: 1fr; }
  .legend { padding-left: 0; }
}
@media print { nav { display: none; } section { break-inside: avoid; } }
""".strip()
