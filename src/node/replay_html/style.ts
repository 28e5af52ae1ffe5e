// The style sheet of the page: light, dark and paper, from a narrow telephone to a wide screen.
// Law: colours are named once, as custom properties; the plots take them from here. The eight colours are those of Okabe
// and Ito, which people with any colour vision can tell apart, each darkened or lightened to stand out on its ground.

const LIGHT = `--ground:#fbfbf9;--panel:#ffffff;--ink:#1b1d21;--ink-2:#4c525c;--line:#d8d9d4;--grid:#e7e7e2;--link:#0a58a5;
--good:#00694f;--warn:#8a4b00;--bad:#a32121;--soft:#f1f1ec;--hatch:rgb(0 0 0/.38);--heat-0:#f4f4ef;--heat-1:#6ba3d0;--heat-2:#08306b;
--c0:#0a62a3;--c1:#c05200;--c2:#007a5a;--c3:#a8457f;--c4:#8f6a00;--c5:#2a8fc4;--c6:#5a5a5a;--c7:#7a3f1d;color-scheme:light;`

const DARK = `--ground:#14161a;--panel:#1b1e24;--ink:#e9e9e4;--ink-2:#b3b8c1;--line:#3a3f48;--grid:#2b2f37;--link:#8cc4ff;
--good:#5fd0ac;--warn:#f0b45c;--bad:#ff9a8f;--soft:#23272e;--hatch:rgb(0 0 0/.45);--heat-0:#22262d;--heat-1:#2f7f93;--heat-2:#f7e88a;
--c0:#5aaef0;--c1:#f08a3c;--c2:#3cc49a;--c3:#e08abc;--c4:#e0c040;--c5:#8fd4f7;--c6:#a8a8a8;--c7:#c98f66;color-scheme:dark;`

const COLOURS = Array.from({ length: 8 }, (_, i) => `.c${i}{--own:var(--c${i})}`).join('')

/** All rules, after those of uPlot. */
export const STYLE: string = `
:root{${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
:root[data-paper=yes]{${LIGHT}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
main,header,footer{max-width:72rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .4rem;text-wrap:balance}
h2{font-size:1.25rem;margin:2.6rem 0 .5rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:1.02rem;margin:1.4rem 0 .2rem}
p{margin:.35rem 0 .7rem;max-width:76ch;overflow-wrap:anywhere}
a{color:var(--link)}
code,.mono{font-family:ui-monospace,"Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.92em;overflow-wrap:anywhere}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--panel);padding:.4rem .8rem;z-index:2}
.facts{color:var(--ink-2);margin:0}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;margin:.9rem 0 0;font-size:.94rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;padding:0;margin:1rem 0;list-style:none}
.tiles li{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem}
.tiles b{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles span{color:var(--ink-2);font-size:.9rem}
.lead{font-size:1.06rem;margin-block:1rem}
.warn{color:var(--warn)}.bad{color:var(--bad)}
.plot{margin:1.2rem 0;padding:.2rem 1rem 1rem;background:var(--panel);border:1px solid var(--line);border-radius:6px}
.plot figcaption p{color:var(--ink-2);font-size:.94rem}
.canvas{width:100%;min-height:120px;border-radius:4px}
.tools{display:flex;gap:.4rem;align-items:center;margin-bottom:.3rem}
.tools .time{margin-left:auto;color:var(--ink-2);font-size:.9rem;font-variant-numeric:tabular-nums}
button{font:inherit;color:inherit;background:var(--soft);border:1px solid var(--line);border-radius:4px;cursor:pointer;min-height:1.9rem;min-width:2rem}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem .4rem;padding:0;margin:.4rem 0 .2rem;font-size:.88rem}
.legend button{display:flex;align-items:center;gap:.4rem;padding:.1rem .55rem;background:none;text-align:start}
.legend button[aria-pressed=false]{opacity:.6;text-decoration:line-through}
.legend output{font-variant-numeric:tabular-nums;min-width:4ch;text-align:end;font-weight:600}
.swatch{width:28px;height:14px;flex:none}.swatch path{stroke:var(--own);fill:none}.swatch .area{fill:var(--own)}
.hatch{stroke:var(--hatch);fill:none}
.hidden{position:absolute}
.spoken{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);margin:0}
.heatkey{font-size:.86rem;color:var(--ink-2);margin:.2rem 0}
.ramp{display:inline-block;width:8rem;height:.8em;background:linear-gradient(90deg,var(--heat-0),var(--heat-1),var(--heat-2));border:1px solid var(--line);vertical-align:-.08em}
${COLOURS}
.scroll{overflow-x:auto;max-width:100%;margin:.6rem 0}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums;min-width:min(100%,24rem)}
caption{text-align:start;font-weight:600;padding:.2rem 0;max-width:76ch}
th,td{padding:.28rem .7rem;text-align:end;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
thead th{color:var(--ink-2);font-weight:600;vertical-align:bottom;border-bottom-width:2px}
th:first-child,.text{text-align:start}
td.text{white-space:normal;min-width:9rem}
tbody th{font-weight:500;max-width:32rem;white-space:normal;overflow-wrap:anywhere;min-width:9rem}
.takers tbody th{width:30rem}
.bar{display:block;width:100%;height:.45em;margin-top:.2em;background:var(--soft)}
.bar i{display:block;height:100%;min-width:1px;background:var(--c0)}
summary{cursor:pointer;color:var(--link);font-size:.92rem;margin-top:.3rem}
kbd{font:inherit;font-size:.88em;border:1px solid var(--line);border-radius:3px;padding:0 .3em;background:var(--soft)}
dl{max-width:76ch}dt{font-weight:600;margin-top:.6rem}dd{margin:0}
footer{color:var(--ink-2);font-size:.9rem;padding-bottom:3rem;margin-top:3rem}
.u-cursor-x{border-color:var(--ink-2)!important}.u-select{background:rgb(120 140 160/.25)}
@media (max-width:34rem){body{font-size:15px}main,header,footer{padding-inline:.8rem}.plot{padding-inline:.5rem}
h1{font-size:1.35rem}th,td{padding-inline:.4rem}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
@media (prefers-contrast:more){:root{--line:currentcolor;--ink-2:var(--ink)}}
@media print{:root{${LIGHT}--ground:#fff}body{font-size:10.5pt}nav,.tools,.skip,#plot-keys{display:none}
.plot,.tiles li,tr{break-inside:avoid}h2,h3{break-after:avoid}.plot{border:0;padding:0}.scroll{overflow:visible}
.bar i,.ramp,.swatch{print-color-adjust:exact}a{color:inherit;text-decoration:none}}
`
