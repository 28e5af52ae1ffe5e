// Rules of the page of explained reports, after those that it shares with the page of a replay.

/** Colours come from the shared rules; what colour says, shape says, too. */
export const EXPLAIN_STYLE: string = `
main,header,footer{max-width:96rem}
.columns{display:grid;grid-template-columns:minmax(20rem,2fr) minmax(22rem,3fr);gap:1.2rem;align-items:start}
@media (max-width:60rem){.columns{grid-template-columns:1fr}}
.reason b{font-size:1.1rem}
.sentences{list-style:none;padding:0;margin:.4rem 0}
.sentences li{margin:.15rem 0}
.sentences a{display:block;color:var(--ink);text-decoration:none;padding:.25rem .5rem;border-left:3px solid var(--line)}
.sentences a:hover{background:var(--soft)}
a[aria-current]{background:var(--soft);border-left-color:var(--link)!important;outline:1px solid var(--link)}
.log{max-height:32rem;overflow:auto;background:var(--panel);border:1px solid var(--line);border-radius:6px;position:relative}
.log pre{margin:0;padding:.4rem 0;font-size:.78rem;line-height:1.45;min-width:max-content}
.log span{display:block;padding:0 .6rem;white-space:pre}
.log span::before{content:attr(data-line);display:inline-block;width:4.5em;margin-right:.8em;text-align:end;color:var(--ink-2)}
.log .hit,.log span:target{background:color-mix(in srgb,var(--c4) 28%,transparent);box-shadow:inset 3px 0 var(--c4);font-weight:600}
svg.zone{width:16rem;height:1.9rem;display:block}
.zone .ground{fill:var(--soft)}.zone .free{fill:var(--c2)}.zone .short{fill:var(--c1)}
.zone .needed{fill:var(--ink)}
.zone .mark{stroke:var(--ink);stroke-width:2;vector-effect:non-scaling-stroke}
.zone .low{stroke-dasharray:4 2}.zone .high{stroke-dasharray:1 2}
td.text:has(svg){min-width:16rem}
@media print{.log{max-height:none;overflow:visible}.columns{display:block}}
`
